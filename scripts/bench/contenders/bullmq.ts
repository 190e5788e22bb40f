/**
 * BullMQ: jobs are added in bulk and removed when they are completed, the concurrency is 64. Without QueueEvents who adds
 * jobs does not hear of their results: the least that BullMQ can do.
 */
import type * as BullMQ from 'bullmq';
import { now } from '../../lib/harness/history.ts';
import { OUTPUT, type BenchRequest } from '../loads.ts';
import { packageOf, type Claimed, type Contender, type OwnerPort, type Place } from './port.ts';

const QUEUE = 'bench';
const CONCURRENCY = 64;

/** Commands that it sends beside its scripts. */
export const BULLMQ_DIRECT = ['bzpopmin', 'bzpopmax', 'brpoplpush', 'xread'];

export const bullmq: Contender = { owner: (place) => ownerOf(place), runner: runnerOf };

export const bullmqEvents: Contender = {
  owner: async (place) => {
    const owner = ownerOf(place);
    const { QueueEvents } = load(place);
    const events = new QueueEvents(QUEUE, optionsOf(place));
    await events.waitUntilReady();
    const news = new Gathered<string>();
    events.on('completed', ({ jobId }) => news.add(jobId));
    return {
      put: (requests) => owner.put(requests),
      take: async () => (await news.next()).length,
      close: async () => {
        await events.close();
        await owner.close();
      },
    };
  },
  runner: runnerOf,
};

function ownerOf(place: Place): OwnerPort {
  const queue = new (load(place).Queue)<BenchRequest>(QUEUE, {
    ...optionsOf(place),
    defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
  });
  return {
    put: (requests) => queue.addBulk(requests.map((data) => ({ name: 'r', data }))),
    close: () => queue.close(),
  };
}

async function runnerOf(place: Place) {
  const done = new Gathered<Claimed>();
  const claimedAt = new Map<string, number>();
  const worker = new (load(place).Worker)<BenchRequest, string>(
    QUEUE,
    ({ id }) => {
      claimedAt.set(id!, now());
      return Promise.resolve(OUTPUT);
    },
    { ...optionsOf(place), concurrency: CONCURRENCY },
  );
  worker.on('error', () => undefined);
  worker.on('completed', ({ id, data: request }) => {
    done.add({ request, claim: id!, claimedAt: claimedAt.get(id!)! });
    claimedAt.delete(id!);
  });
  await worker.waitUntilReady();
  return {
    // it claims by itself, and what it tells of has been finished
    claim: () => done.next(),
    finish: () => Promise.resolve(),
    close: () => worker.close(),
  };
}

function load(place: Place): typeof BullMQ {
  return packageOf(place, 'bullmq') as typeof BullMQ;
}

function optionsOf({ redis, topic }: Place) {
  return { connection: { url: redis, maxRetriesPerRequest: null }, prefix: `{${topic}}` };
}

/** Collects what comes until somebody asks. */
class Gathered<T> {
  #all: T[] = [];
  #wake: (() => void) | undefined;

  add(one: T): void {
    this.#all.push(one);
    this.#wake?.();
  }

  async next(): Promise<T[]> {
    if (this.#all.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.#all.splice(0);
  }
}
