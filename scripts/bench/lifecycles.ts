/** Requests from their put to their results, whoever carries them: the owner leads. */
import { setTimeout as sleep } from 'node:timers/promises';
import { openClient } from '../../src/redis/connection.ts';
import type { Client } from '../../src/redis/run-script.ts';
import { now } from '../lib/harness/history.ts';
import type { OwnerPort, RunnerPort } from './contenders/port.ts';
import { Feed } from './feed.ts';
import { requestsOf, type BenchRequest, type Lifecycles } from './loads.ts';
import { Notes, type Side, type Told } from './side.ts';

/** Calls with results that may be unanswered at a time. */
const FINISHES = 16;

export class LifecycleOwner implements Side {
  readonly #load: Lifecycles;
  readonly #port: OwnerPort;
  readonly #make: ReturnType<typeof requestsOf>;
  readonly #pings: Client;
  readonly #notes = new Notes();
  #made = 0;

  constructor(load: Lifecycles, port: OwnerPort, redis: string) {
    this.#load = load;
    this.#port = port;
    this.#make = requestsOf(load.tokens);
    this.#pings = openClient(redis);
  }

  open(): Promise<void> {
    return Promise.resolve();
  }

  async lead(ms: number): Promise<number> {
    const { pauseMs } = this.#load;
    const total = await (pauseMs === undefined ? this.#feed(ms) : this.#oneByOne(ms, pauseMs));
    this.#notes.add(total);
    return total;
  }

  /** A window of requests is under way; puts follow as results come. */
  async #feed(ms: number): Promise<number> {
    const feed = new Feed(this.#load, ms);
    const guard = (work: Promise<void>): void => void work.catch((error: unknown) => feed.fail(error));
    const put = async (requests: BenchRequest[]): Promise<void> => {
      await this.#port.put(requests);
      if (this.#port.take) return;
      // who does not hear of results goes by the answers
      feed.finished(requests.length);
      pump();
    };
    const pump = (): void => {
      for (let count = feed.next(); count > 0; count = feed.next())
        guard(put(Array.from({ length: count }, () => this.#next())));
    };
    const take = async (): Promise<void> => {
      while (this.#port.take && !feed.isOver) {
        feed.finished(await this.#port.take());
        pump();
      }
    };
    pump();
    guard(take());
    return feed.over;
  }

  async #oneByOne(ms: number, pauseMs: number): Promise<number> {
    const end = performance.now() + ms;
    let total = 0;
    do {
      await sleep(pauseMs);
      await this.#notes.ping(this.#pings, true);
      await this.#port.put([this.#next(now())]);
      for (let back = 0; back < 1;) back += await this.#port.take!();
      total += 1;
    } while (performance.now() < end);
    return total;
  }

  #next(at?: number): BenchRequest {
    return this.#make((this.#made += 1), 'owner', at);
  }

  end(): Promise<void> {
    return Promise.resolve();
  }

  async close(): Promise<void> {
    this.#pings.disconnect();
    await this.#port.close();
  }

  tell(): Told {
    return this.#notes.tell();
  }
}

export class LifecycleRunner implements Side {
  readonly #load: Lifecycles;
  readonly #port: RunnerPort;
  readonly #notes = new Notes();
  #serving = false;
  #active = false;
  #count = 0;
  #total = Infinity;
  #done: (() => void) | undefined;
  #closed = false;

  constructor(load: Lifecycles, port: RunnerPort) {
    this.#load = load;
    this.#port = port;
  }

  open(): Promise<void> {
    [this.#count, this.#total] = [0, Infinity];
    return Promise.resolve();
  }

  /** A claim of the round before may still wait. */
  begin(): void {
    this.#active = true;
    if (!this.#serving) void this.#serve();
  }

  async follow(total: number): Promise<void> {
    this.#total = total;
    if (this.#count < total) await new Promise<void>((resolve) => (this.#done = resolve));
    this.#active = false;
  }

  /** Claims one batch after another, as an engine's loop does; results are not waited for unless too many are on their way. */
  async #serve(): Promise<void> {
    this.#serving = true;
    const unanswered = new Set<Promise<void>>();
    try {
      while (this.#active) {
        const claims = await this.#port.claim(this.#load.room);
        if (claims.length === 0) continue;
        for (const { request, claimedAt } of claims)
          if (request.at > 0) this.#notes.waited(claimedAt - request.at);
        const sending = this.#port.finish(claims).then(() => this.#finished(claims.length));
        unanswered.add(sending);
        void sending.then(() => unanswered.delete(sending));
        if (unanswered.size >= FINISHES) await Promise.race(unanswered);
      }
      await Promise.all(unanswered);
    } catch (error) {
      if (!this.#closed) throw error;
    } finally {
      this.#serving = false;
    }
  }

  #finished(count: number): void {
    this.#count += count;
    if (this.#count >= this.#total) this.#done?.();
  }

  end(): Promise<void> {
    return Promise.resolve();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#port.close();
  }

  tell(): Told {
    return this.#notes.tell();
  }
}
