// Programs that tests run in processes of their own, each in one file.
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build, type BuildOptions, type Plugin } from 'esbuild';
import { ONE_FILE, ownAddresses } from '../../scripts/lib/harness/bundle.ts';

/** The folder that the workers of a run share: each program is built once for all of them. */
export const SHARED_BUNDLES = 'SCHED_LUA_TEST_BUNDLES';

const bundled = new Map<string, Promise<URL>>();
let folder: string | undefined;
let files = 0;

/** The one file of a program, built at the first call in a run, or in this process if there is no run. */
export function bundle(program: URL): Promise<URL> {
  let file = bundled.get(program.href);
  if (file === undefined) {
    file = bundleOnce(program);
    bundled.set(program.href, file);
  }
  return file;
}

async function bundleOnce(program: URL): Promise<URL> {
  const shared = process.env[SHARED_BUNDLES];
  const what = { entryPoints: [fileURLToPath(program)] };
  if (shared === undefined) return bundleOf(what);
  const file = join(shared, `${createHash('sha256').update(program.href).digest('hex')}.mjs`);
  if (!existsSync(file)) {
    // two workers may build it at once: whoever is later puts the same into its place
    const draft = `${file}.${process.pid}`;
    await bundleOf(what, draft);
    renameSync(draft, file);
  }
  return pathToFileURL(file);
}

/** Of a program that is no file: `code`, as if it stood in `cwd`. */
export function bundleCode(code: string, cwd: string): Promise<URL> {
  return bundleOf({ stdin: { contents: code, resolveDir: cwd, loader: 'ts' } });
}

async function bundleOf(what: BuildOptions, outfile = ownFile()): Promise<URL> {
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

function ownFile(): string {
  folder ??= makeFolder();
  return join(folder, `${(files += 1)}.mjs`);
}

function makeFolder(): string {
  const made = mkdtempSync(join(tmpdir(), 'sched-lua-bundle-'));
  process.on('exit', () => rmSync(made, { recursive: true, force: true }));
  return made;
}
