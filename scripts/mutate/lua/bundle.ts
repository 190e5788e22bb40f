/** The fast tests as plain files beside one that holds the scripts' sources: a mutant replaces just that one. */
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { compileAll, embed } from '../../lib/lua/compile.ts';
import type { Sources } from '../../lib/lua/sources.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const WORKER = 'scripts/mutate/lua/worker.ts';
const FOLDERS = ['test/lua', 'test/model'];
/** They compare with the files of lua/, which have no mutant in them, and know nothing of what a script does. */
const NO_JUDGES = ['test/lua/errors.test.ts', 'test/lua/header.test.ts'];

/** Bundles the tests into a new folder. */
export async function bundleTests(folder: string): Promise<void> {
  const judges = testsIn(root, '.test.ts').filter((file) => !NO_JUDGES.includes(file));
  await build({
    absWorkingDir: root,
    entryPoints: [WORKER, ...judges],
    outbase: '.',
    outdir: folder,
    bundle: true,
    splitting: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'error',
    plugins: [
      {
        name: 'sources of the scripts',
        setup(plugin) {
          plugin.onResolve({ filter: /\/lua\.generated\.ts$/ }, () => ({ path: '#lua', external: true }));
        },
      },
    ],
  });
  writeFileSync(join(folder, 'package.json'), '{ "type": "module", "imports": { "#lua": "./lua.js" } }\n');
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
}

/** A copy for a worker of its own. */
export function copyBundle(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  cpSync(from, to, { recursive: true, verbatimSymlinks: true });
}

export function writeSources(folder: string, sources: Sources): void {
  writeFileSync(
    join(folder, 'lua.js'),
    `export const embedded = ${JSON.stringify(embed(compileAll(sources)))};\n`,
  );
}

/** The bundled program of worker.ts. */
export const WORKER_FILE = WORKER.replace('.ts', '.js');

/** Test files of a bundle. */
export function testFiles(folder: string): string[] {
  return testsIn(folder, '.test.js');
}

function testsIn(folder: string, ending: string): string[] {
  return FOLDERS.flatMap((name) =>
    readdirSync(join(folder, name))
      .filter((file) => file.endsWith(ending))
      .sort()
      .map((file) => `${name}/${file}`),
  );
}
