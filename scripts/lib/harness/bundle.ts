/** Programs as plain files, which a process starts in a quarter of the time and the work that tsx takes. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build, buildSync, type BuildOptions, type Plugin } from 'esbuild';

// what its CommonJS parts ask for at run time
const REQUIRE =
  "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.filename);";

/** How every program is put into one file. */
export const ONE_FILE = {
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  banner: { js: REQUIRE },
  minifyWhitespace: true,
  legalComments: 'none',
  logLevel: 'error',
} as const satisfies BuildOptions;

/** What {@link bundleInto} has built: a tool starts one fleet after the other, of the same program. */
const built = new Map<string, Uint8Array>();

/**
 * @param program a TypeScript or JavaScript file that asks for no file beside it
 * @param outfile an absolute path that ends with `.mjs`
 * @returns the URL of `outfile`
 */
export function bundleInto(program: URL, outfile: string): URL {
  let text = built.get(program.href);
  if (text === undefined) {
    const entryPoints = [fileURLToPath(program)];
    text = buildSync({ ...ONE_FILE, entryPoints, outfile, write: false }).outputFiles[0]!.contents;
    built.set(program.href, text);
  }
  writeFileSync(outfile, text);
  return pathToFileURL(outfile);
}

/**
 * Writes programs as plain files into `outdir`, at the paths that they have in `root`. What several of them import is in
 * files of its own: a process that runs some of them loads it once.
 *
 * @param programs TypeScript files, from `root`
 * @param outdir from `root`, in which packages are found from there too
 */
export async function writePlain(
  root: string,
  programs: readonly string[],
  outdir: string,
  options: BuildOptions = {},
): Promise<void> {
  await build({
    ...{ absWorkingDir: root, entryPoints: [...programs], outbase: '.', outdir },
    ...{ bundle: true, splitting: true, packages: 'external' },
    ...{ platform: 'node', format: 'esm', target: 'node20', logLevel: 'silent' },
    plugins: [ownAddresses],
    ...options,
  });
}

/** Where {@link writePlain} puts a program, in its `outdir`. */
export function plainPath(program: string): string {
  return program.replace(/\.ts$/, '.js');
}

/** Files beside a source, named by its `import.meta.url`, are found beside it also where it is a part of another file. */
export const ownAddresses: Plugin = {
  name: 'own addresses',
  setup(plugin) {
    plugin.initialOptions.define = { ...plugin.initialOptions.define, 'import.meta.url': 'ownAddress' };
    plugin.onLoad({ filter: /\.ts$/, namespace: 'file' }, ({ path }) => {
      if (path.includes('/node_modules/')) return undefined;
      const own = `const ownAddress = ${JSON.stringify(pathToFileURL(path).href)};`;
      // on the first line: the others keep their numbers
      const contents = readFileSync(path, 'utf8').replace(/^(#!.*\n)?/, (first) => first + own);
      return { contents, loader: 'ts' };
    });
  },
};
