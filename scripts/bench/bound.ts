/**
 * The bound: the least that any scheduler with a queue and a mailbox in Redis does. RPUSH of a batch, LPOP of a batch,
 * RPUSH of its results, LPOP of its results, by two clients with the options of ours. Who pops knows beforehand that
 * there is something (both sides are in this process), so no command is in vain.
 */
import { openClient } from '../../src/redis/connection.ts';
import type { Client } from '../../src/redis/run-script.ts';
import { Feed, type Load } from './feed.ts';
import { codecOf, outputOf, type BenchRequest } from './payloads.ts';

export interface Lists {
  owner: Client;
  runner: Client;
  requests: string;
  results: string;
}

export function openLists(redis: string, topic: string): Lists {
  return {
    owner: openClient(redis),
    runner: openClient(redis),
    requests: `{${topic}}:requests`,
    results: `{${topic}}:results`,
  };
}

/** Runs the load; answers the requests that went all the way, which is all of them. */
export async function runBound(lists: Lists, load: Load): Promise<number> {
  const { owner, runner, requests, results } = lists;
  const codec = codecOf(load.codec);
  const { output } = outputOf(load.codec);
  const feed = new Feed(load);
  const guard = (work: Promise<void>): void => void work.catch((error: unknown) => feed.fail(error));

  const put = async (batch: BenchRequest[]): Promise<void> => {
    await owner.rpush(requests, ...batch.map(({ body }) => codec.encode(body) as string));
    feed.answered();
    toRun.add(batch.length);
    pump();
  };
  const run = async (count: number): Promise<void> => {
    const bodies = await popAll(runner, requests, count);
    toRun.done();
    for (const body of bodies) codec.decode(body);
    pump();
    await runner.rpush(results, ...bodies.map(() => codec.encode(output) as string));
    toTake.add(count);
    pump();
  };
  const take = async (count: number): Promise<void> => {
    const outputs = await popAll(owner, results, count);
    toTake.done();
    for (const bytes of outputs) codec.decode(bytes);
    feed.finished(count);
    pump();
  };
  const toRun = new Backlog(load);
  const toTake = new Backlog(load);
  const pump = (): void => {
    if (feed.isOver) return;
    for (let batch = feed.next(); batch; batch = feed.next()) guard(put(batch));
    for (let count = toRun.next(); count > 0; count = toRun.next()) guard(run(count));
    for (let count = toTake.next(); count > 0; count = toTake.next()) guard(take(count));
  };
  pump();
  await feed.over;
  return feed.finishedCount;
}

/** What lies in a list, and how many calls are on their way to take it. */
class Backlog {
  readonly #load: Load;
  #length = 0;
  #calls = 0;

  constructor(load: Load) {
    this.#load = load;
  }

  add(count: number): void {
    this.#length += count;
  }

  done(): void {
    this.#calls -= 1;
  }

  /** How many the next call takes; 0: not now. */
  next(): number {
    if (this.#calls >= this.#load.inFlight) return 0;
    const count = Math.min(this.#length, this.#load.batch);
    if (count > 0) this.#calls += 1;
    this.#length -= count;
    return count;
  }
}

async function popAll(client: Client, key: string, count: number): Promise<Buffer[]> {
  const items = await client.lpopBuffer(key, count);
  if (items?.length !== count) throw new Error(`${key} held ${items?.length ?? 0} of ${count} items`);
  return items;
}
