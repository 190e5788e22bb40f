/** A server's clock that is behind, as on another host: by a library that is compiled here and loaded before its own. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onProcessEnd } from '../../src/testing/redis/cleanup.ts';

let library: string | undefined;

/**
 * Environment variables of a server.
 * @throws if its clock is to be behind, and there is no C compiler
 */
export function environmentOf(behindMs: number): Record<string, string> {
  if (behindMs === 0) return {};
  library ??= compile();
  return { LD_PRELOAD: library, CLOCK_BEHIND_MS: String(behindMs) };
}

function compile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sched-lua-chaos-clock-'));
  onProcessEnd(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'clock.so');
  const source = fileURLToPath(new URL('./clock.c', import.meta.url));
  const { status, stderr, error } = spawnSync('cc', ['-shared', '-fPIC', '-O1', '-o', path, source]);
  if (status !== 0) throw new Error(`no clock: ${error?.message ?? stderr.toString()}`);
  return path;
}
