/** Streams from their runner to their readers, whoever carries them: the runner leads. */
import { setTimeout as sleep } from 'node:timers/promises';
import { openClient } from '../../src/redis/connection.ts';
import type { Client } from '../../src/redis/run-script.ts';
import { now } from '../lib/harness/history.ts';
import type { ReaderPort, WriterPort } from './contenders/port.ts';
import type { Chunk, Streams } from './loads.ts';
import { Notes, type Side, type Told } from './side.ts';

export class StreamWriter implements Side {
  readonly #load: Streams;
  readonly #port: WriterPort;
  readonly #pings: Client;
  readonly #notes = new Notes();

  constructor(load: Streams, port: WriterPort, redis: string) {
    this.#load = load;
    this.#port = port;
    this.#pings = openClient(redis);
  }

  open(round: number): Promise<void> {
    return this.#port.open(round);
  }

  /** Answers the number of iterations. */
  async lead(ms: number): Promise<number> {
    const { pacedMs } = this.#load;
    const from = performance.now();
    let index = 0;
    do {
      await this.#port.send(index);
      index += 1;
      if (pacedMs !== undefined) await this.#untilNext(from + index * pacedMs, pacedMs);
    } while (performance.now() - from < ms);
    return index;
  }

  /** The PING in the middle of an iteration finds all asleep, as the chunks do. */
  async #untilNext(at: number, pacedMs: number): Promise<void> {
    await sleep(Math.max(0, at - performance.now() - pacedMs / 2));
    await this.#notes.ping(this.#pings, false);
    await sleep(Math.max(0, at - performance.now()));
  }

  end(): Promise<void> {
    return this.#port.end();
  }

  async close(): Promise<void> {
    this.#pings.disconnect();
    await this.#port.close();
  }

  tell(): Told {
    return this.#notes.tell();
  }
}

export class StreamReader implements Side {
  readonly #load: Streams;
  readonly #port: ReaderPort;
  readonly #notes = new Notes();
  /** Of each stream that has not ended, the number of its last chunk. */
  #last = new Map<number, number>();
  #isDone: () => boolean = () => false;
  #done: (() => void) | undefined;

  constructor(load: Streams, port: ReaderPort) {
    this.#load = load;
    this.#port = port;
  }

  async open(round: number): Promise<void> {
    this.#last = new Map(Array.from({ length: this.#load.streams }, (_, stream) => [stream, -1]));
    await this.#port.open(round, {
      chunk: (stream, chunk) => this.#chunk(stream, chunk),
      end: (stream) => {
        this.#last.delete(stream);
        this.#look();
      },
    });
  }

  begin(ms: number): void {
    const { streams, cancelled = 0 } = this.#load;
    const count = Math.round(streams * cancelled);
    for (let i = 0; i < count; i += 1)
      setTimeout(() => void this.#port.cancel!(i), (ms * (i + 1)) / (count + 1));
  }

  /** Until each stream that goes on has the chunks of so many iterations. */
  follow(total: number): Promise<void> {
    return this.#until(() => [...this.#last.values()].every((last) => last >= total - 1));
  }

  /** Until each has ended. */
  end(): Promise<void> {
    return this.#until(() => this.#last.size === 0);
  }

  #chunk(stream: number, { index, at }: Chunk): void {
    const last = this.#last.get(stream);
    if (last === undefined || index !== last + 1)
      throw new Error(`stream ${stream} got chunk ${index} after ${String(last)}`);
    this.#last.set(stream, index);
    this.#notes.add(1);
    if (at !== undefined) this.#notes.waited(now() - at);
    if (this.#done) this.#look();
  }

  #look(): void {
    if (this.#isDone()) this.#done?.();
  }

  async #until(isDone: () => boolean): Promise<void> {
    if (isDone()) return;
    this.#isDone = isDone;
    await new Promise<void>((resolve) => (this.#done = resolve));
    this.#done = undefined;
  }

  async close(): Promise<void> {
    await this.#port.close();
  }

  tell(): Told {
    return this.#notes.tell();
  }
}

/** Both in one process. */
export class OwnStreams implements Side {
  readonly #reader: StreamReader;
  readonly #writer: StreamWriter;

  constructor(reader: StreamReader, writer: StreamWriter) {
    this.#reader = reader;
    this.#writer = writer;
  }

  async open(round: number): Promise<void> {
    await this.#reader.open(round);
    await this.#writer.open(round);
  }

  async lead(ms: number): Promise<number> {
    const total = await this.#writer.lead(ms);
    await this.#reader.follow(total);
    return total;
  }

  async end(): Promise<void> {
    await Promise.all([this.#writer.end(), this.#reader.end()]);
  }

  async close(): Promise<void> {
    await this.#writer.close();
    await this.#reader.close();
  }

  tell(): Told {
    return { ...this.#reader.tell(), pings: this.#writer.tell().pings };
  }
}
