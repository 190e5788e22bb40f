/**
 * What a process saw, line by line in a file of its own. A line is written synchronously before the process goes on;
 * then the kernel has it, so it survives a SIGKILL, unlike a message. The checker knows nothing else of the process.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';

/** A line of a history. */
export type Recorded<Happening> = Happening & {
  /** ms, see {@link now}. */
  at: number;
};

/** ms of the machine's monotonic clock: one clock for all processes, and no step of a date moves it. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Appends to a history. */
export class HistoryWriter<Happening> {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, 'a');
  }

  write(happening: Happening): void {
    writeSync(this.#file, `${JSON.stringify({ at: now(), ...happening })}\n`);
  }

  close(): void {
    closeSync(this.#file);
  }
}

const SLICE = 64 * 1024;

/** Follows a history while it grows. */
export class HistoryReader<Happening> {
  readonly #file: number;
  readonly #slice = Buffer.alloc(SLICE);
  #rest = Buffer.alloc(0);

  constructor(path: string) {
    this.#file = openSync(path, 'a+');
  }

  /**
   * What was written since the last call. A line that is not whole waits for the next call; one that a killed process
   * left torn is never given.
   */
  read(): Recorded<Happening>[] {
    const entries: Recorded<Happening>[] = [];
    for (;;) {
      const count = readSync(this.#file, this.#slice, 0, SLICE, null);
      if (count === 0) return entries;
      const text = Buffer.concat([this.#rest, this.#slice.subarray(0, count)]);
      const end = text.lastIndexOf('\n') + 1;
      for (const line of text.toString('utf8', 0, end).split('\n')) {
        if (line !== '') entries.push(JSON.parse(line) as Recorded<Happening>);
      }
      this.#rest = text.subarray(end);
    }
  }

  close(): void {
    closeSync(this.#file);
  }
}
