// Another copy of ioredis, as an application has that installed its own beside ours: other classes, of the same shape.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type * as ioredis from 'ioredis';

const installed = fileURLToPath(new URL('../../node_modules', import.meta.url));

export interface OtherIoredis {
  /** Of its package. */
  folder: string;
  load(): typeof ioredis;
  remove(): void;
}

export function copyIoredis(): OtherIoredis {
  const root = mkdtempSync(join(tmpdir(), 'sched-lua-ioredis-'));
  const modules = join(root, 'node_modules');
  const folder = join(modules, 'ioredis');
  mkdirSync(modules);
  cpSync(realpathSync(join(installed, 'ioredis')), folder, { recursive: true });
  const text = readFileSync(join(folder, 'package.json'), 'utf8');
  for (const name of Object.keys((JSON.parse(text) as { dependencies: object }).dependencies)) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(realpathSync(join(installed, name)), join(modules, name));
  }
  return {
    folder,
    load: () => createRequire(import.meta.url)(folder) as typeof ioredis,
    remove: () => rmSync(root, { recursive: true }),
  };
}
