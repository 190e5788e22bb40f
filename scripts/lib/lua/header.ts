/** What the header of a script says about its keys, arguments and answers, and whether that is what TypeScript declares. */
import type { ScriptDeclaration } from '../../../src/redis/declarations.ts';
import { scriptError } from './module.ts';

export interface ScriptHeader {
  keys: string[];
  args: string[];
  each: string[];
  status: string[];
}

/**
 * Reads KEYS, ARGV and STATUS lines (`KEYS[n] name type  meaning`, `ARGV[n..] name name ..  meaning`).
 * @param first the number of the first ARGV
 */
export function parseHeader(text: string, first = 1): ScriptHeader {
  const header: ScriptHeader = { keys: [], args: [], each: [], status: [] };
  for (const line of text.split('\n')) {
    const entry = /^-- (KEYS|ARGV)\[(\d+)(\.\.)?\] ((?:\S+ )*\S+)/.exec(line);
    const status = /^-- STATUS (.*)$/.exec(line);
    if (status) header.status.push(...status[1]!.split(' '));
    if (!entry) continue;
    const [, kind, index, repeated, words] = entry;
    const names = repeated ? words!.split(' ') : [words!.split(' ')[0]!];
    const list = kind === 'KEYS' ? header.keys : header.args;
    if (Number(index) !== list.length + (kind === 'KEYS' ? 1 : first))
      throw scriptError(`${kind}[${index}] is out of order in: ${line}`);
    if (repeated) header.each.push(...names);
    else list.push(...names);
  }
  return header;
}

/** Throws SCRIPT unless the header says just what the declaration says. */
export function checkHeader(name: string, header: ScriptHeader, declaration: ScriptDeclaration): void {
  const compare = (what: string, inLua: readonly string[], declared: readonly string[]): void => {
    if (inLua.join(' ') !== declared.join(' ')) {
      throw scriptError(`${name}.lua: ${what} are [${inLua.join(' ')}], declared [${declared.join(' ')}]`);
    }
  };
  compare('KEYS', header.keys, declaration.keys);
  compare('ARGV', header.args, declaration.args);
  compare('repeating ARGV', header.each, declaration.each ?? []);
  compare('STATUS words', [...new Set(header.status)].sort(), [...new Set(declaration.status)].sort());
}
