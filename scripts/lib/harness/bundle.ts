/** A program in one plain file: a process that runs it starts in a quarter of the time and the work that tsx takes. */
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildSync } from 'esbuild';

// what its CommonJS parts ask for at run time
const REQUIRE =
  "import { createRequire } from 'node:module'; const require = createRequire(import.meta.filename);";

/**
 * @param program a TypeScript or JavaScript file
 * @param outfile an absolute path that ends with `.mjs`
 * @returns the URL of `outfile`
 */
export function bundleInto(program: URL, outfile: string): URL {
  buildSync({
    entryPoints: [fileURLToPath(program)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    banner: { js: REQUIRE },
    logLevel: 'error',
  });
  return pathToFileURL(outfile);
}
