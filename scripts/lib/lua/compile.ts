/** Makes what Redis gets of the files of `lua/`: one text a script, checked against its declaration. */
import { SCRIPTS, SCRIPT_NAMES, type ScriptName } from '../../../src/redis/declarations.ts';
import { encodeOrigins } from '../../../src/redis/origins.ts';
import { assembleLines, textOf, writeOutConstants } from './assemble.ts';
import { checkHeader, parseHeader } from './header.ts';
import { inline } from './inline.ts';
import { scriptError, type Line } from './module.ts';
import { sources, type Sources } from './sources.ts';

export interface Compiled {
  readonly name: ScriptName;
  /** Helpers and script, with constants and comments. */
  readonly readable: readonly Line[];
  /** The same with constants and short helpers written out, as sent to Redis, line by line. */
  readonly lines: readonly Line[];
}

/** @throws SchedulerError SCRIPT for what cannot be assembled, or is not as declared */
export function compile(name: ScriptName, { scripts, helpers }: Sources = sources()): Compiled {
  const source = scripts[name];
  if (source === undefined) throw scriptError(`no script named ${name}`);
  const readable = assembleLines(name, source, helpers);
  checkHeader(name, parseHeader(textOf(readable)), SCRIPTS[name]);
  return { name, readable, lines: inline(writeOutConstants(readable)) };
}

export function compileAll(from: Sources = sources()): Compiled[] {
  return SCRIPT_NAMES.map((name) => compile(name, from));
}

/** The module that the library has of them: src/redis/lua.generated.ts, but for the type. */
export function embed(scripts: readonly Compiled[]): Record<string, { text: string; origins: string }> {
  return Object.fromEntries(
    scripts.map(({ name, lines }) => [name, { text: textOf(lines), origins: encodeOrigins(lines) }]),
  );
}
