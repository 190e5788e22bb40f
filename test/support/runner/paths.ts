import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's folder. */
export const root = fileURLToPath(new URL('../../../', import.meta.url));

/** The path of a file of the project, as it is printed. */
export function nameOf(path: string): string {
  return relative(root, resolve(path));
}

/** Where a run has its tests as plain files; tsx would cost each worker seconds of CPU. */
export const CACHE = join(root, 'node_modules/.cache/sched-lua');
