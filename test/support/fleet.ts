// Schedulers on a topic of the test's own, and the few things most tests do with them.
import { expect } from 'chai';
import { Redis } from 'ioredis';
import {
  Scheduler,
  SchedulerError,
  type Budget,
  type ClaimedRequest,
  type Result,
  type SchedulerOptions,
} from '../../src/index.ts';
import { sleep } from '../../src/base/clock.ts';
import { SHARD_TABLES, shardKey, type ShardTable } from '../../src/base/keys.ts';
import { shardsInUse } from '../../src/inspect/registry.ts';
import { readSnapshot, type ShardSnapshot } from '../../src/inspect/snapshot.ts';
import { verifyTopic } from '../../src/inspect/verify.ts';
import { isFinal } from '../../scripts/lib/harness/happenings.ts';
import { freshTopic, redisUrl, waitUntil } from './server.ts';

/** A request as the default accessors want it. */
export interface Prompt {
  request_id: string;
  prompt_token_ids: number[];
}

export type Node = Scheduler<Prompt>;
export type NodeOptions = SchedulerOptions<Prompt>;
export type Claimed = ClaimedRequest<Prompt>;

export function request(id: string, tokens = 1): Prompt {
  return { request_id: id, prompt_token_ids: Array.from({ length: tokens }, (_, i) => i) };
}

/** `<prefix>0`, `<prefix>1` … */
export function requests(prefix: string, count: number, tokens = 1): Prompt[] {
  return Array.from({ length: count }, (_, i) => request(`${prefix}${i}`, tokens));
}

export function idsOf(list: readonly Prompt[]): string[] {
  return list.map(({ request_id }) => request_id);
}

/** An engine with room for everything that tests put: 16 requests at once unless told otherwise. */
export function room(batch = 16, more: Partial<Budget> = {}): Budget {
  return {
    availableBlocks: 100_000,
    blockSize: 16,
    reservedOutputBlocks: 1,
    maxNumBatchedTokens: 1_000_000,
    batch,
    ...more,
  };
}

/** The node has an engine, which is full: so it is no front, and its peers leave it its requests for `stealAfterMs`. */
export async function bringEngine(node: Node): Promise<void> {
  expect(await node.getRequests(room(0), { waitMs: 0 })).to.deep.equal([]);
}

/** Long enough that a busy machine does not lose claims, short enough to wait for. */
export const QUICK = { leaseMs: 2_000, keepAliveMs: 4_000, pollMs: 200, ttlMs: 300_000 } as const;
/** For a claim that must find what is there: on a busy machine a first answer may take longer than `pollMs`. */
export const PATIENT = { waitMs: 10_000 } as const;
/** For tests that wait for a lease to end. */
export const SHORT_LEASE = { leaseMs: 500 } as const;

export class Fleet {
  topic = '';
  /** A plain client of the fleet's server. */
  redis!: Redis;
  readonly #url: () => string;
  readonly #nodes: Node[] = [];

  constructor(url: () => string) {
    this.#url = url;
  }

  get url(): string {
    return this.#url();
  }

  /** A scheduler of the fleet's topic; closed after the test. Warnings go to `warnings`. */
  async start<Request = Prompt, Output = unknown>(
    node: string,
    options: SchedulerOptions<Request, Output> = {},
  ): Promise<Scheduler<Request, Output>> {
    const scheduler = await Scheduler.start<Request, Output>({
      redis: this.url,
      topic: this.topic,
      node,
      ...QUICK,
      onWarning: (message) => void this.warnings.push(message),
      ...options,
    });
    this.#nodes.push(scheduler as unknown as Node);
    return scheduler;
  }

  readonly warnings: string[] = [];

  key(table: ShardTable, shard = 0): string {
    return shardKey(this.topic, shard, table);
  }

  snapshot(shard = 0): Promise<ShardSnapshot> {
    return readSnapshot(this.redis, this.topic, shard);
  }

  /** Waiting requests per owner, over all shards. */
  async loads(): Promise<Record<string, number>> {
    const loads: Record<string, number> = {};
    for (let shard = 0; shard < (await shardsInUse(this.redis, this.topic)); shard += 1) {
      const list = await this.redis.zrange(this.key('load', shard), '0', '-1', 'WITHSCORES');
      for (let i = 0; i < list.length; i += 2) loads[list[i]!] = (loads[list[i]!] ?? 0) + Number(list[i + 1]);
    }
    return loads;
  }

  /** Fails if an invariant of lua/README.md#invariants is broken. */
  async verify(): Promise<void> {
    expect(await verifyTopic(this.redis, this.topic)).to.deep.equal([]);
  }

  /** Tables of the topic's shards that hold something, as `<shard>:<table>`. */
  async leftTables(): Promise<string[]> {
    const left: string[] = [];
    for (let shard = 0; shard < (await shardsInUse(this.redis, this.topic)); shard += 1) {
      for (const table of SHARD_TABLES) {
        if ((await this.redis.exists(this.key(table, shard))) === 1) left.push(`${shard}:${table}`);
      }
    }
    return left;
  }

  async open(): Promise<void> {
    this.topic = freshTopic();
    this.warnings.length = 0;
    // waits for a server that the test before left down
    this.redis = new Redis(this.url, { maxRetriesPerRequest: null, retryStrategy: () => 50 });
    this.redis.on('error', () => undefined);
    await this.redis.ping();
  }

  async close(): Promise<void> {
    await Promise.all(this.#nodes.splice(0).map((node) => node.close({ drainMs: 0 })));
    try {
      await this.verify();
    } finally {
      this.redis.disconnect();
    }
  }
}

/**
 * A fresh fleet for every test of the suite that calls this: its topic is new, what it started is closed, and whatever
 * the test did, the invariants hold at its end.
 * @param url of the server; default: the one of the run
 */
export function useFleet(url: () => string = redisUrl): Fleet {
  const fleet = new Fleet(url);
  beforeEach(() => fleet.open());
  afterEach(() => fleet.close());
  return fleet;
}

/** Claims until `count` requests are there. */
export async function take(node: Node, count: number, budget: Budget = room()): Promise<Claimed[]> {
  const claimed: Claimed[] = [];
  const more = async (): Promise<boolean> => {
    claimed.push(
      ...(await node.getRequests({ ...budget, batch: Math.min(budget.batch, count - claimed.length) })),
    );
    return claimed.length >= count;
  };
  await waitUntil(more, `${node.node} has claimed ${count} requests`, 10_000);
  return claimed;
}

/** Ends claims with their ids as outputs; every one must be accepted. */
export async function finish(node: Node, claims: readonly Claimed[]): Promise<void> {
  const items = claims.map(({ claim, id }) => ({ claim, output: id, finished: true }));
  expect(await node.putResults(items)).to.deep.equal(items.map(() => 'ok'));
}

/** Serves until the node closes; answers the list that every executed request is added to. */
export function serve(node: Node, ms = 0, budget: Budget = room()): { id: string; attempt: number }[] {
  const executed: { id: string; attempt: number }[] = [];
  const handler = async ({ id, attempt, signal }: Claimed): Promise<string> => {
    executed.push({ id, attempt });
    if (ms > 0) await sleep(ms, signal);
    return id;
  };
  node.run(handler, { budget }).catch((error: unknown) => {
    if (!(error instanceof SchedulerError && error.code === 'EVICTED')) throw error;
  });
  return executed;
}

/** Takes results until every one of `ids` has ended; answers all that came, in order. */
/** The result without how it went, which differs from run to run. */
export function plain(result: Result): Result {
  const course = ['node', 'attempt', 'queuedMs', 'ranMs'];
  return Object.fromEntries(Object.entries(result).filter(([key]) => !course.includes(key))) as Result;
}

/** What `getResults` answered, each result {@link plain}. */
export function told(news: ReadonlyMap<string, readonly Result[]>): Map<string, Result[]> {
  return new Map([...news].map(([id, results]) => [id, results.map(plain)]));
}

export async function ended(
  node: Node,
  ids: readonly string[],
  timeoutMs = 10_000,
): Promise<Map<string, Result[]>> {
  const all = new Map<string, Result[]>();
  const complete = (): boolean => {
    for (const [id, results] of told(node.getResults())) all.set(id, [...(all.get(id) ?? []), ...results]);
    return ids.every((id) => all.get(id)?.some(isFinal));
  };
  const missing = (): string => ids.filter((id) => !all.get(id)?.some(isFinal)).join(' ');
  try {
    await waitUntil(complete, `${node.node} has been told how ${ids.length} requests ended`, timeoutMs);
  } catch (error) {
    throw new Error(`${String(error)}; missing: ${missing()}`, { cause: error });
  }
  return all;
}

/** Kinds of the finals per id: one each, if each ended exactly once. */
export function endings(results: ReadonlyMap<string, readonly Result[]>): Record<string, string> {
  return Object.fromEntries(
    [...results].map(([id, list]) => [
      id,
      list
        .filter(isFinal)
        .map(({ kind }) => kind)
        .join(' '),
    ]),
  );
}

/** The {@link endings} if all of the list end in this way. */
export function all(list: readonly Prompt[], kind: Result['kind']): Record<string, string> {
  return Object.fromEntries(idsOf(list).map((id) => [id, kind]));
}

/** What a promise rejects with; fails if it does not. */
export async function rejection(promise: Promise<unknown>): Promise<SchedulerError> {
  try {
    await promise;
  } catch (error) {
    expect(error).to.be.instanceOf(SchedulerError);
    return error as SchedulerError;
  }
  throw new Error('it did not reject');
}
