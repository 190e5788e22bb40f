/**
 * Reads one file of `lua/` as an assembler needs it. Each file is plain Lua that editors and luacheck follow:
 *
 * - `local ring = require('lib.ring')` at the start of a line: the helper is a part of the script;
 * - `require('lib.reap')(...)` within a statement: the helper is rarely called, and is made when it is;
 * - a helper ends in `return ring` and either defines `local function ring(...)`, or begins with `local shard = {}` and
 *   gives fields: `shard.now = 0`, `function shard.read(...)`. Only the helper itself writes to its fields;
 * - `local call, sub = redis.call, string.sub` at the start of a line: aliases, which mean the same in every file.
 */
import { SchedulerError } from '../../../src/base/errors.ts';

export function scriptError(message: string): SchedulerError {
  return new SchedulerError('SCRIPT', 'assemble', message);
}

/** A line of an assembled text, and where it comes from. */
export interface Line {
  readonly text: string;
  /** Path under lua/; empty for a line that is in no file. */
  readonly file: string;
  /** From 1; 0 for a line that is in no file. */
  readonly line: number;
}

/** A helper that a file requires, by the line that does. */
export interface Requirement extends Line {
  readonly helper: string;
}

export interface LuaModule {
  /** Path under lua/. */
  readonly file: string;
  /** Helpers that are parts of the script. */
  readonly required: readonly Requirement[];
  /** Helpers that are made when they are called. */
  readonly deferred: readonly Requirement[];
  /** What `local call = redis.call` names. */
  readonly aliases: readonly { readonly name: string; readonly value: string; readonly at: Line }[];
  /** The fields that a helper gives; undefined: it is one function, or a script. */
  readonly fields: ReadonlySet<string> | undefined;
  /** Fields of other helpers that are used. */
  readonly uses: readonly { readonly helper: string; readonly field: string; readonly at: Line }[];
  /** What is left for the assembled text: `shard.now` is a variable `shard_now` there. */
  readonly lines: readonly Line[];
}

const REQUIRED = /^local (\w+) = require\('lib\.(\w+)'\)$/;
const DEFERRED = /\brequire\('lib\.(\w+)'\)(?=\()/g;
const ALIASES =
  /^local (\w+(?:, \w+)*) = ((?:redis|string|math|table)\.\w+(?:, (?:redis|string|math|table)\.\w+)*)$/;
/** Texts and comments, `require`, and fields of a name. */
const TOKEN = /'[^'\n]*'|"[^"\n]*"|--.*|\brequire\b|(?<![\w.:])([a-z]\w*)\.(\w+)/g;

/** What stands left of an assignment, but for a new variable's. */
const ASSIGNED = /^\s*(?!local )([^=('"]+) = /;

/**
 * @param helper its name, undefined for a script
 * @throws SchedulerError SCRIPT for what the assembler cannot follow
 */
export function readModule(file: string, source: string, helper?: string): LuaModule {
  const required: Requirement[] = [];
  const deferred: Requirement[] = [];
  const aliases: LuaModule['aliases'][number][] = [];
  const uses: LuaModule['uses'][number][] = [];
  const lines: Line[] = [];
  const fields = new Set<string>();
  const texts = source.trimEnd().split('\n');
  const isTable = helper !== undefined && texts.includes(`local ${helper} = {}`);
  const refuse = (at: Line, why: string): never => {
    throw scriptError(`lua/${at.file}:${at.line}: ${why}`);
  };

  if (helper !== undefined && texts.pop() !== `return ${helper}`)
    throw scriptError(`lua/${file}: the last line must be "return ${helper}"`);

  const tables = new Set(isTable ? [helper] : []);
  for (const text of texts) {
    const name = REQUIRED.exec(text)?.[2];
    if (name !== undefined) tables.add(name);
  }

  for (const [i, text] of texts.entries()) {
    const at: Line = { text, file, line: i + 1 };
    const requires = REQUIRED.exec(text);
    const names = ALIASES.exec(text);
    if (requires) {
      const [, local, name] = requires;
      if (local !== name) refuse(at, `lib.${name} must be named ${name}, not ${local}`);
      required.push({ ...at, helper: name! });
    } else if (names) {
      const values = names[2]!.split(', ');
      for (const [n, name] of names[1]!.split(', ').entries()) {
        if (values[n] === undefined) refuse(at, `${name} has no value`);
        aliases.push({ name, value: values[n]!, at });
      }
    } else if (!isTable || text !== `local ${helper} = {}`) {
      lines.push({ ...at, text: flatten(at) });
    }
  }
  return { file, required, deferred, aliases, fields: isTable ? fields : undefined, uses, lines };

  /** The line with variables in the place of fields, and the names of helpers in the place of `require`. */
  function flatten(at: Line): string {
    const text = at.text.replace(DEFERRED, (_, name: string) => {
      deferred.push({ ...at, helper: name });
      return name;
    });
    for (const [, name] of assignedIn(text).matchAll(/(?<![\w.])(\w+)\.\w/g)) {
      if (name !== helper && tables.has(name!)) refuse(at, `only lib/${name!}.lua writes to its fields`);
    }
    return declare(text, at).replace(TOKEN, (token, name?: string, field?: string) => {
      if (token === 'require')
        refuse(at, `only "local x = require('lib.x')" and "require('lib.x')(...)" are followed`);
      if (name === undefined || !tables.has(name)) return token;
      if (name !== helper) uses.push({ helper: name, field: field!, at });
      else if (!fields.has(field!)) refuse(at, `${token} is used before it is given`);
      return `${name}_${field!}`;
    });
  }

  function assignedIn(text: string): string {
    return ASSIGNED.exec(text)?.[1]!.replace(/\[[^\]]*\]/g, '') ?? '';
  }

  /** `shard.now, shard.tick = 0, 0` and `function shard.read()` at the start of a line, when they give the fields. */
  function declare(text: string, at: Line): string {
    if (!isTable) return text;
    const [, method] = new RegExp(`^function ${helper}\\.(\\w+)\\(`).exec(text) ?? [];
    const [, list] = new RegExp(`^(${helper}\\.\\w+(?:, ${helper}\\.\\w+)*) = `).exec(text) ?? [];
    if (method === undefined && list === undefined) return text;
    const given =
      method === undefined ? list!.split(', ').map((one) => one.slice(helper.length + 1)) : [method];
    for (const field of given) {
      if (fields.has(field)) refuse(at, `${helper}.${field} is given twice`);
      fields.add(field);
    }
    return `local ${text}`;
  }
}
