// Programs that tests run in processes of their own, each in one file.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build, type BuildOptions, type Plugin } from 'esbuild';
import { ONE_FILE, ownAddresses } from '../../scripts/lib/harness/bundle.ts';

const bundled = new Map<string, Promise<URL>>();
let folder: string | undefined;
let files = 0;

/** The one file of a program, built at the first call; it goes with this process. */
export function bundle(program: URL): Promise<URL> {
  let file = bundled.get(program.href);
  if (file === undefined) {
    file = bundleOf({ entryPoints: [fileURLToPath(program)] });
    bundled.set(program.href, file);
  }
  return file;
}

/** Of a program that is no file: `code`, as if it stood in `cwd`. */
export function bundleCode(code: string, cwd: string): Promise<URL> {
  return bundleOf({ stdin: { contents: code, resolveDir: cwd, loader: 'ts' } });
}

async function bundleOf(what: BuildOptions): Promise<URL> {
  folder ??= makeFolder();
  const outfile = join(folder, `${(files += 1)}.mjs`);
  await build({ ...ONE_FILE, ...what, outfile, plugins: [ownAddresses, installed] });
  return pathToFileURL(outfile);
}

/** Packages with parts that no bundle can hold are loaded from where they are installed. */
const installed: Plugin = {
  name: 'installed',
  setup(plugin) {
    plugin.onResolve({ filter: /^(testcontainers|esbuild)$/ }, async ({ path, pluginData, ...asked }) => {
      if (pluginData === installed) return undefined;
      const found = await plugin.resolve(path, { ...asked, pluginData: installed });
      return { path: found.errors.length > 0 ? path : pathToFileURL(found.path).href, external: true };
    });
  },
};

function makeFolder(): string {
  const made = mkdtempSync(join(tmpdir(), 'sched-lua-bundle-'));
  process.on('exit', () => rmSync(made, { recursive: true, force: true }));
  return made;
}
