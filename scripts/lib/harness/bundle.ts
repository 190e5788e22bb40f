/** A program in one plain file: a process that runs it starts in a quarter of the time and the work that tsx takes. */
import { readFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildSync, type BuildOptions, type Plugin } from 'esbuild';

// what its CommonJS parts ask for at run time
const REQUIRE =
  "import { createRequire } from 'node:module'; const require = createRequire(import.meta.filename);";

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

/**
 * @param program a TypeScript or JavaScript file that asks for no file beside it
 * @param outfile an absolute path that ends with `.mjs`
 * @returns the URL of `outfile`
 */
export function bundleInto(program: URL, outfile: string): URL {
  buildSync({ ...ONE_FILE, entryPoints: [fileURLToPath(program)], outfile });
  return pathToFileURL(outfile);
}

/** Files beside a source, named by its `import.meta.url`, are found beside it also where it is a part of another file. */
export const ownAddresses: Plugin = {
  name: 'own addresses',
  setup(plugin) {
    plugin.onLoad({ filter: /\.ts$/, namespace: 'file' }, ({ path }) => {
      if (path.includes('/node_modules/')) return undefined;
      const url = JSON.stringify(pathToFileURL(path).href);
      const contents = readFileSync(path, 'utf8').replaceAll('import.meta.url', url);
      return { contents, loader: 'ts' };
    });
  },
};
