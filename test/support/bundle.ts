// Plain files of what tests run in processes of their own: each starts in a quarter of the time that tsx takes.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const bundled = new Map<string, Promise<string>>();
let folder: string | undefined;

/** The path of a program in one CommonJS file, built at the first call; it goes with this process. */
export function bundle(program: URL): Promise<string> {
  let file = bundled.get(program.href);
  if (file === undefined) bundled.set(program.href, (file = buildOne(fileURLToPath(program))));
  return file;
}

async function buildOne(source: string): Promise<string> {
  if (folder === undefined) {
    const made = (folder = mkdtempSync(join(tmpdir(), 'sched-lua-bundle-')));
    process.on('exit', () => rmSync(made, { recursive: true, force: true }));
  }
  const outfile = join(folder, `${bundled.size}.cjs`);
  await build({
    entryPoints: [source],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    logLevel: 'error',
  });
  return outfile;
}
