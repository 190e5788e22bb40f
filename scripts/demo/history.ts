/**
 * What a node process saw, line by line in a file of its own. A line is written (synchronously, before the process goes
 * on), and then the kernel has it: unlike a message, it survives a SIGKILL. The ledger knows nothing else.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import type { Result } from '../../src/index.ts';

/** What the engine gives for a request, chunk by chunk; the last is the final output. */
export interface Output {
  /** As the runner read it from the payload. */
  id: string;
  attempt: number;
  /** Of the results of this attempt, from 1. */
  number: number;
  /** Output tokens so far. */
  tokens: number;
}

export type Happening =
  /** The put of a client's request was answered. */
  | { what: 'accepted'; id: string }
  | { what: 'refused'; id: string; code: string; reason: string }
  /** A claim came into hand and entered the engine. */
  | { what: 'claimed'; id: string; owner: string; attempt: number }
  /** The engine is done with it: its final is sent now. */
  | { what: 'done'; id: string; owner: string; attempt: number }
  /** The claim was lost or given back before its end. */
  | { what: 'stopped'; id: string; owner: string; attempt: number }
  /** A result was handed to the client. */
  | { what: 'told'; id: string; kind: Result['kind']; output?: Output; reason?: string }
  | { what: 'warned'; message: string };

export type Entry = Happening & {
  /** ms, see {@link now}. */
  at: number;
};

/** ms of the machine's monotonic clock: one clock for all processes. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Appends to a history. */
export class HistoryWriter {
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
export class HistoryReader {
  readonly #file: number;
  readonly #slice = Buffer.alloc(SLICE);
  #rest = Buffer.alloc(0);

  constructor(path: string) {
    this.#file = openSync(path, 'a+');
  }

  /** What was written since the last call; a line that is not whole waits for the next. */
  read(): Entry[] {
    const entries: Entry[] = [];
    for (;;) {
      const count = readSync(this.#file, this.#slice, 0, SLICE, null);
      if (count === 0) return entries;
      const text = Buffer.concat([this.#rest, this.#slice.subarray(0, count)]);
      const end = text.lastIndexOf('\n') + 1;
      for (const line of text.toString('utf8', 0, end).split('\n')) {
        if (line !== '') entries.push(JSON.parse(line) as Entry);
      }
      this.#rest = text.subarray(end);
    }
  }

  close(): void {
    closeSync(this.#file);
  }
}
