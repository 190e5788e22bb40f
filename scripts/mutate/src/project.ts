/** A copy of the project whose sources have all mutants in them, and its tests as plain files. */
import { cpSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writePlain } from '../../lib/harness/bundle.ts';
import { mutantsOf, type SrcMutant } from './mutants.ts';
import { PREAMBLE } from './switch.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** Rooms of src/ that a node is made of; `.` is its face. */
const ROOMS = ['base', 'observe', 'redis', 'protocol', 'owner', 'runner', 'node', '.'];

/** Folders of the tests of those rooms. */
const TESTS = [
  'base',
  'observe',
  'protocol',
  'owner',
  'runner',
  'node',
  'scheduler',
  'reference',
  'recovery',
  'lua',
  'model',
];
/** They compare texts, or start other tools. */
const NO_JUDGES = /^test\/lua\/header\.|^test\/scheduler\/bundle\./;

const COPIED = [
  ...['src', 'test', 'lua', 'docs', 'scripts', 'package.json', 'tsconfig.json'],
  ...['.mocharc.json', '.prettierrc.json', '.prettierignore'],
];

/** Root hooks of mocha, in their order. */
export const HOOKS = ['scripts/mutate/src/hooks.ts', 'test/support/server.ts'] as const;

/** Where the plain files are, in the copy. */
export const PLAIN = 'plain';

/** Every mutant of src/, numbered from 0, and the sources with all of them, by path. */
export function allMutants(): { mutants: SrcMutant[]; texts: Map<string, string> } {
  const mutants: SrcMutant[] = [];
  const texts = new Map<string, string>();
  for (const file of sources()) {
    const made = mutantsOf(file, readFileSync(join(root, file), 'utf8'), mutants.length);
    if (made.mutants.length === 0) continue;
    mutants.push(...made.mutants);
    texts.set(file, PREAMBLE + made.text);
  }
  return { mutants, texts };
}

function sources(): string[] {
  return ROOMS.flatMap((room) =>
    readdirSync(join(root, 'src', room))
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.generated.ts'))
      .sort()
      .map((file) => posix(join('src', room, file))),
  );
}

/** Test files that judge, from the project's folder. */
export function testFiles(): string[] {
  return TESTS.flatMap((folder) =>
    readdirSync(join(root, 'test', folder))
      .filter((file) => file.endsWith('.test.ts'))
      .sort()
      .map((file) => `test/${folder}/${file}`),
  ).filter((file) => !NO_JUDGES.test(file));
}

/** Makes the copy in a new folder. */
export async function copyProject(folder: string, texts: ReadonlyMap<string, string>): Promise<void> {
  for (const name of COPIED) cpSync(join(root, name), join(folder, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  for (const [file, text] of texts) writeFileSync(join(folder, file), text);
  await writePlain(folder, [...HOOKS, ...testFiles()], PLAIN);
}

function posix(path: string): string {
  return path.split(sep).join('/');
}
