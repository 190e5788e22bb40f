/**
 * `npm run lint:lua`: luacheck on each script as Redis gets it, helpers included (Lua 5.1, read-only globals).
 *
 * A helper may hold what one script does not need, so what is unused in a helper's lines is a warning only if no script
 * uses it. A helper that no script includes is one too.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { helperSources, scriptSources } from '../../src/redis/lua.generated.ts';
import { allScripts } from '../../src/redis/run-script.ts';

const LUACHECK = [
  ...['--no-config', '--no-cache', '--no-color', '--codes', '--formatter', 'plain', '--std', 'lua51'],
  ...['--max-line-length', '125', '--read-globals', 'redis', 'KEYS', 'ARGV'],
  // Lua 5.1 has them, Redis does not
  ...['--not-globals', 'io', 'os', 'print', 'require', 'module', 'package', 'dofile', 'loadfile'],
];
/** Codes of what is unused: variables, arguments, values. */
const UNUSED = /^W[23]/;

interface Warning {
  /** Path under lua/. */
  file: string;
  line: number;
  code: string;
  text: string;
}

/** Where each part of an assembled text begins, counted in lines from 0. */
function partsOf(text: string): Map<string, number> {
  const parts = new Map<string, number>();
  const sources = [
    ...Object.entries(helperSources).map(([name, source]) => [`lib/${name}.lua`, source] as const),
    ...Object.entries(scriptSources).map(([name, source]) => [`${name}.lua`, source] as const),
  ];
  for (const [file, source] of sources) {
    const at = text.indexOf(source);
    if (at >= 0) parts.set(file, text.slice(0, at).split('\n').length - 1);
  }
  return parts;
}

function parseWarning(outputLine: string, parts: ReadonlyMap<string, number>): Warning {
  const match = /^.*?:(\d+):\d+: \((\w+)\) (.*)$/.exec(outputLine);
  if (!match) throw new Error(`luacheck said what this script cannot read: ${outputLine}`);
  const line = Number(match[1]);
  const [file, start] = [...parts].filter(([, from]) => from < line).sort((a, b) => b[1] - a[1])[0]!;
  return { file, line: line - start, code: match[2]!, text: match[3]! };
}

function luacheck(folder: string, name: string, text: string): string[] {
  const path = join(folder, `${name}.lua`);
  writeFileSync(path, text);
  const run = spawnSync('luacheck', [...LUACHECK, '--', path], { encoding: 'utf8' });
  if (run.error) {
    throw new Error(
      `cannot run luacheck (${run.error.message}); install it with "apt-get install lua-check" or "luarocks install luacheck"`,
    );
  }
  if (run.status === null || run.status > 2) throw new Error(`luacheck failed:\n${run.stdout}${run.stderr}`);
  return run.stdout.split('\n').filter((line) => line !== '');
}

function check(folder: string): string[] {
  const complaints = new Set<string>();
  const includedBy = new Map<string, number>();
  const unusedIn = new Map<string, { file: string; count: number }>();
  for (const { name, readable: text } of Object.values(allScripts())) {
    const parts = partsOf(text);
    for (const file of parts.keys()) includedBy.set(file, (includedBy.get(file) ?? 0) + 1);
    for (const outputLine of luacheck(folder, name, text)) {
      const warning = parseWarning(outputLine, parts);
      const shown = `lua/${warning.file}:${warning.line}: (${warning.code}) ${warning.text}`;
      const tolerated = UNUSED.test(warning.code) && warning.file !== `${name}.lua`;
      if (!tolerated) complaints.add(shown);
      else unusedIn.set(shown, { file: warning.file, count: (unusedIn.get(shown)?.count ?? 0) + 1 });
    }
  }
  for (const [shown, { file, count }] of unusedIn) {
    if (count === includedBy.get(file)) complaints.add(`${shown}, in every script`);
  }
  for (const helper of Object.keys(helperSources)) {
    if (!includedBy.has(`lib/${helper}.lua`)) complaints.add(`lua/lib/${helper}.lua: no script includes it`);
  }
  return [...complaints].sort();
}

const folder = mkdtempSync(join(tmpdir(), 'sched-lua-luacheck-'));
try {
  const complaints = check(folder);
  for (const complaint of complaints) console.error(complaint);
  console.log(`luacheck: ${Object.keys(allScripts()).length} scripts, ${complaints.length} warnings`);
  if (complaints.length > 0) process.exitCode = 1;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
