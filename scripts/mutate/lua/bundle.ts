/** The fast tests as plain files beside one that holds the scripts' sources: a mutant replaces just that one. */
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { compileAll, embed } from '../../lib/lua/compile.ts';
import type { Sources } from '../../lib/lua/sources.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const SUPPORT = 'test/support/server.ts';
const MODEL = 'test/model/model.test.ts';
/** They compare with the files of lua/, which have no mutant in them, and know nothing of what a script does. */
const NO_JUDGES = ['errors.test.ts', 'header.test.ts'];

/** Bundles the tests into a new folder. */
export async function bundleTests(folder: string): Promise<void> {
  const tables = readdirSync(join(root, 'test/lua')).filter(
    (file) => file.endsWith('.test.ts') && !NO_JUDGES.includes(file),
  );
  await build({
    absWorkingDir: root,
    entryPoints: [SUPPORT, MODEL, ...tables.map((file) => `test/lua/${file}`)],
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

/** The bundled root hooks of mocha. */
export const SUPPORT_FILE = SUPPORT.replace('.ts', '.js');

/** Test files of a bundle. */
export function testFiles(folder: string): string[] {
  const tables = readdirSync(join(folder, 'test/lua')).filter((file) => file.endsWith('.test.js'));
  return [...tables.map((file) => `test/lua/${file}`), MODEL.replace('.ts', '.js')];
}
