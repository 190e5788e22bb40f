/**
 * `npm run lint:lua`: luacheck on each file of lua/ as it stands, and on each script as Redis gets it, helpers included
 * (Lua 5.1, read-only globals, no `require`). The rules are in .luacheckrc, where editors find them too.
 *
 * A helper may hold what one script does not need, so what is unused in a helper's lines of an assembled text is a
 * warning only if no script uses it. A helper that no script requires is one too.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { textOf, type Line } from '../lib/lua/assemble.ts';
import { SCRIPT_NAMES } from '../../src/redis/declarations.ts';
import { compileAll } from '../lib/lua/compile.ts';
import { sources } from '../lib/lua/sources.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const LUACHECK = ['--config', '.luacheckrc', '--no-cache', '--no-color', '--codes', '--formatter', 'plain'];
/** What an assembled text may not have beside: names become longer than in a file, and so do lines. */
const ASSEMBLED = ['--not-globals', 'require', '--no-max-line-length'];
/** Codes of what is unused: variables, arguments, values. */
const UNUSED = /^W[23]/;

interface Warning {
  /** Path under lua/; empty: a line of no file. */
  file: string;
  line: number;
  code: string;
  text: string;
}

const shown = ({ file, line, code, text }: Warning): string => `lua/${file}:${line}: (${code}) ${text}`;

function luacheck(...args: readonly string[]): string[] {
  const run = spawnSync('luacheck', [...LUACHECK, ...args], { cwd: root, encoding: 'utf8' });
  if (run.error) {
    throw new Error(
      `cannot run luacheck (${run.error.message}); install it with "apt-get install lua-check" or "luarocks install luacheck"`,
    );
  }
  if (run.status === null || run.status > 2)
    throw new Error(
      `luacheck ended with ${run.signal ?? `exit code ${run.status}`}:\n${run.stdout}${run.stderr}`,
    );
  return run.stdout.split('\n').filter((line) => line !== '');
}

/** The warnings of an assembled text, where its lines come from. */
function checkAssembled(path: string, lines: readonly Line[]): Warning[] {
  writeFileSync(path, textOf(lines));
  return luacheck(...ASSEMBLED, '--', path).map((output) => {
    const match = /^.*?:(\d+):\d+: \((\w+)\) (.*)$/.exec(output);
    if (!match) throw new Error(`luacheck said what this script cannot read: ${output}`);
    const { file, line } = lines[Number(match[1]) - 1]!;
    return { file, line, code: match[2]!, text: match[3]! };
  });
}

function check(folder: string): string[] {
  const complaints = new Set(luacheck('--', 'lua'));
  const requiredBy = new Map<string, number>();
  const unusedIn = new Map<string, { file: string; count: number }>();
  for (const { name, readable } of compileAll()) {
    for (const file of new Set(readable.map((line) => line.file)))
      requiredBy.set(file, (requiredBy.get(file) ?? 0) + 1);
    // a deferred helper may be in a text twice
    const unused = new Map<string, Warning>();
    for (const warning of checkAssembled(join(folder, `${name}.lua`), readable)) {
      if (UNUSED.test(warning.code) && warning.file !== `${name}.lua`) unused.set(shown(warning), warning);
      else complaints.add(shown(warning));
    }
    for (const [text, { file }] of unused)
      unusedIn.set(text, { file, count: (unusedIn.get(text)?.count ?? 0) + 1 });
  }
  for (const [text, { file, count }] of unusedIn) {
    if (count === requiredBy.get(file)) complaints.add(`${text}, in every script`);
  }
  for (const helper of Object.keys(sources().helpers)) {
    if (!requiredBy.has(`lib/${helper}.lua`)) complaints.add(`lua/lib/${helper}.lua: no script requires it`);
  }
  return [...complaints].sort();
}

const folder = mkdtempSync(join(tmpdir(), 'sched-lua-luacheck-'));
try {
  const complaints = check(folder);
  for (const complaint of complaints) console.error(complaint);
  const helpers = Object.keys(sources().helpers).length;
  console.log(`luacheck: ${SCRIPT_NAMES.length} scripts, ${helpers} helpers, ${complaints.length} warnings`);
  if (complaints.length > 0) process.exitCode = 1;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
