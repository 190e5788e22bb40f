// Programs that tests run in processes of their own, each in one file.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleInto } from '../../scripts/lib/harness/bundle.ts';

const bundled = new Map<string, URL>();
let folder: string | undefined;

/** The one file of a program, built at the first call; it goes with this process. */
export function bundle(program: URL): URL {
  let file = bundled.get(program.href);
  if (file === undefined) {
    folder ??= makeFolder();
    file = bundleInto(program, join(folder, `${bundled.size}.mjs`));
    bundled.set(program.href, file);
  }
  return file;
}

function makeFolder(): string {
  const made = mkdtempSync(join(tmpdir(), 'sched-lua-bundle-'));
  process.on('exit', () => rmSync(made, { recursive: true, force: true }));
  return made;
}
