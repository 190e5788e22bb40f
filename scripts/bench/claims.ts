/** How long a request of a node with an engine waits: at the node itself, while it is idle, and until an idle peer has stolen it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { openClient } from '../../src/redis/connection.ts';
import type { Client } from '../../src/redis/run-script.ts';
import { now } from '../lib/harness/history.ts';
import { budgetFor, finish, startNode, type BenchNode } from './contenders/ours.ts';
import { requestsOf, type BenchRequest, type Claims } from './loads.ts';
import { Notes, bystander, type Side, type Told } from './side.ts';

const TOKENS = 128;
const WAIT_MS = 10_000;
const PAUSE_MS = 10;
/** The load from which a peer may be stolen from, and never for its age. */
const STEALING = { minLoadScore: 3, stealAfterMs: WAIT_MS } as const;

export class ClaimOwner implements Side {
  readonly #who: Claims['who'];
  readonly #node: BenchNode;
  readonly #pings: Client;
  readonly #notes = new Notes();
  readonly #make = requestsOf(TOKENS);
  #made = 0;

  static async start({ who }: Claims, redis: string, topic: string): Promise<ClaimOwner> {
    const node = await startNode(redis, topic, 'owner', STEALING);
    return new ClaimOwner(who, node, openClient(redis));
  }

  private constructor(who: Claims['who'], node: BenchNode, pings: Client) {
    this.#who = who;
    this.#node = node;
    this.#pings = pings;
  }

  /** It has asked for work, so it is no front. */
  async open(): Promise<void> {
    const claimed = this.#node.getRequests(budgetFor(1, TOKENS), { waitMs: WAIT_MS });
    await sleep(PAUSE_MS);
    await this.#put();
    await this.#finish(await claimed);
  }

  async lead(ms: number): Promise<number> {
    const end = performance.now() + ms;
    let total = 0;
    do {
      this.#notes.waited(await (this.#who === 'own' ? this.#own() : this.#stolen()));
      total += 1;
    } while (performance.now() < end);
    this.#notes.add(total);
    return total;
  }

  async #own(): Promise<number> {
    const claimed = this.#node.getRequests(budgetFor(1, TOKENS), { waitMs: WAIT_MS });
    await sleep(PAUSE_MS);
    await this.#notes.ping(this.#pings, true);
    const from = now();
    const put = this.#put();
    const claims = await claimed;
    const waited = now() - from;
    await put;
    await this.#finish(claims);
    return waited;
  }

  /** Below the mark they wait for their owner; the put that comes to it has the peer rung. */
  async #stolen(): Promise<number> {
    const before = STEALING.minLoadScore - 1;
    for (let i = 0; i < before; i += 1) await this.#put();
    await sleep(PAUSE_MS);
    await this.#notes.ping(this.#pings, true);
    const from = now();
    await this.#put();
    const claimedAt = Number(await this.#result());
    for (let left = before; left > 0;) {
      const claims = await this.#node.getRequests(budgetFor(left, TOKENS), { waitMs: WAIT_MS });
      left -= claims.length;
      await this.#finish(claims);
    }
    return claimedAt - from;
  }

  async #put(): Promise<void> {
    const request: BenchRequest = this.#make((this.#made += 1), 'owner');
    const [outcome] = await this.#node.putRequests([request]);
    if (outcome?.error) throw outcome.error;
  }

  async #finish(claims: readonly { claim: string }[]): Promise<void> {
    if (claims.length === 0) throw new Error(`a request was not claimed within ${WAIT_MS} ms`);
    await finish(this.#node, claims);
    for (let back = 0; back < claims.length;) back += (await this.#node.getResults({ waitMs: WAIT_MS })).size;
  }

  async #result(): Promise<unknown> {
    const [results] = (await this.#node.getResults({ waitMs: WAIT_MS })).values();
    if (!results) throw new Error(`a request had no result within ${WAIT_MS} ms`);
    return results[0]?.output;
  }

  end(): Promise<void> {
    return Promise.resolve();
  }

  async close(): Promise<void> {
    this.#pings.disconnect();
    await this.#node.close();
  }

  tell(): Told {
    return this.#notes.tell();
  }
}

/** Steals, and answers when. */
export async function idlePeer(redis: string, topic: string): Promise<Side> {
  const node = await startNode(redis, topic, 'peer', STEALING);
  const served = node.run(() => String(now()), { budget: budgetFor(1, TOKENS) });
  return {
    ...bystander(),
    close: async () => {
      await node.close();
      await served;
    },
  };
}
