/** The append-only file of a server, as it lies in the server's folder: one file, or since Redis 7 a folder of some. */
import { existsSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = 'appendonlydir';
const FILE = 'appendonly.aof';
const INCREMENT = /\.(\d+)\.incr\.aof$/;

/** How long the file was at a moment. */
export interface AofMark {
  file: string;
  bytes: number;
  /** Caller's clock. */
  at: number;
}

export function removeAof(folder: string): void {
  for (const name of [FOLDER, FILE]) rmSync(join(folder, name), { recursive: true, force: true });
}

/** undefined: the server is just making a new one. */
export function markAof(folder: string, at: number): AofMark | undefined {
  try {
    const file = lastFile(folder);
    return file === undefined ? undefined : { file, bytes: statSync(file).size, at };
  } catch {
    return undefined;
  }
}

/** Cuts the file to what it was: an older copy. Of marks of a file that was rewritten since, nothing is left. */
export function rollBackAof(folder: string, marks: readonly AofMark[], until: number): AofMark | undefined {
  const file = lastFile(folder);
  const there = marks.filter((mark) => mark.file === file);
  const mark = there.findLast(({ at }) => at <= until) ?? there[0];
  if (mark) truncateSync(mark.file, mark.bytes);
  return mark;
}

function lastFile(folder: string): string | undefined {
  const parts = join(folder, FOLDER);
  if (!existsSync(parts)) return existsSync(join(folder, FILE)) ? join(folder, FILE) : undefined;
  const increments = readdirSync(parts).filter((name) => INCREMENT.test(name));
  const numberOf = (name: string): number => Number(INCREMENT.exec(name)![1]);
  increments.sort((one, other) => numberOf(one) - numberOf(other));
  const last = increments.at(-1);
  return last === undefined ? undefined : join(parts, last);
}
