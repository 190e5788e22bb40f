// All that schedulers do to Redis in a topic, from the first put to a takeover, as one Redis user; and what went wrong.
import { once } from 'node:events';
import type { Cluster } from 'ioredis';
import { Scheduler, connect, type RedisSource, type SchedulerOptions } from '../../src/index.ts';
import { messageOf } from '../../src/base/errors.ts';
import { Retry } from '../../src/index.ts';
import { PATIENT, QUICK, idsOf, request, requests, room, type Node, type Prompt } from './fleet.ts';
import { sooner, waitUntil } from './server.ts';

export interface Life {
  redis: RedisSource;
  topic: string;
  /** Replicas that a put waits for; 0: there are none. */
  replicas: number;
  /** Subscribers of a node's channel. */
  subscribers: (node: string) => Promise<number>;
  /** Options of all nodes. */
  more?: SchedulerOptions<Prompt>;
}

/** What commands of the sources are for that no rule gives: who may not use them does without, and is told so. */
export const OPTIONAL = {
  application: ['config|get'],
  // it shows the keys of all topics
  operator: ['scan'],
} as const;

/** A life takes some seconds; one that lacks a right may hang. */
const MOST_MS = 60_000;

/**
 * What went wrong first: an error, a warning, a complaint of ioredis on the console, a subscription that is left; what came
 * with it follows. Empty: nothing did.
 */
export async function troublesOf(life: Life): Promise<string[]> {
  const troubles: string[] = [];
  const over = new AbortController();
  const complain = (trouble: string): void => {
    troubles.push(trouble);
    over.abort();
  };
  const nodes: Node[] = [];
  const { warn } = console;
  console.warn = (message: string) => complain(`console: ${message}`);
  const lived = live(life, nodes, complain, over.signal).catch((error: unknown) =>
    complain(messageOf(error)),
  );
  try {
    const ended = new Promise((resolve) => over.signal.addEventListener('abort', resolve));
    await sooner(MOST_MS, 'the life', Promise.race([lived, ended]));
  } catch (error) {
    complain(messageOf(error));
  } finally {
    await Promise.all(nodes.map((node) => node.close({ drainMs: 0 }).catch(() => undefined)));
    await lived;
    console.warn = warn;
  }
  return troubles;
}

async function live(
  life: Life,
  nodes: Node[],
  complain: (trouble: string) => void,
  over: AbortSignal,
): Promise<void> {
  const { redis, topic, replicas, more, subscribers } = life;
  const start = async (node: string, own: SchedulerOptions<Prompt> = {}): Promise<Node> => {
    const options = {
      ...QUICK,
      redis,
      topic,
      node,
      minLoadScore: 1,
      commandTimeout: 4_000,
      deadLetter: 'all' as const,
    };
    const onWarning = (message: string): void => complain(`warning: ${message}`);
    over.throwIfAborted();
    const scheduler = await Scheduler.start<Prompt>({ ...options, ...more, ...own, onWarning });
    nodes.push(scheduler);
    if (over.aborted) await scheduler.close({ drainMs: 0 });
    return scheduler;
  };
  const ends = async (of: AsyncIterable<{ kind: string }>, wanted: string): Promise<void> => {
    let last = '';
    for await (const { kind } of of) last = kind;
    if (last !== wanted) throw new Error(`it ended as ${last}, not ${wanted}`);
  };

  // put, claim of a peer's, chunks, results; a failure, which is kept; a try that is not counted
  const waitReplicas = replicas > 0 ? { waitReplicas: { replicas, timeoutMs: 5_000 } } : {};
  const front = await start('front', { ...waitReplicas, commandTimeout: 16_000 });
  const engine = await start('engine');
  let tries = 0;
  const served = engine.run(
    async function* ({ id, signal }) {
      if (id === 'late') await once(signal, 'abort');
      if (id === 'bad') throw new Error('bad');
      if (id === 'again' && (tries += 1) === 1) throw new Retry('not now', { afterMs: 0, countTry: false });
      yield* ['to', 'be'];
      await Promise.resolve();
      return 'or not';
    },
    { budget: room() },
  );
  await ends(front.submit(request('good')), 'finished');
  await ends(front.submit(request('again')), 'finished');
  await ends(front.submit(request('bad')), 'failed');
  await ends(front.submit(request('late'), { deadlineMs: 1_500 }), 'expired');
  const [put] = await front.putRequests([request('put')]);
  if (put!.error) throw put!.error;
  if (replicas > 0 && put!.replicated !== true) throw new Error('no replica has the put');
  await engine.close();
  await served;

  // own requests: claim, give back, cancel, reset
  await front.putRequests(requests('own', 3));
  const [claimed] = await front.getRequests(room(1), PATIENT);
  await claimed!.giveBack();
  const cancelled = front.submit(request('cancelled'));
  await cancelled.cancel();
  await ends(cancelled, 'cancelled');
  await front.reset();

  // a takeover, with what waits and what is on its way
  const first = await start('owner');
  const left = requests('left', 2);
  await first.putRequests(left);
  const second = await start('owner', { takeover: true });
  const runner = await start('runner');
  const served2 = runner.run(({ id }) => id, { budget: room() });
  const all = new Set<string>();
  const told = async (): Promise<boolean> => {
    over.throwIfAborted();
    for (const id of second.getResults().keys()) all.add(id);
    // a life before this one may have left a request
    return Promise.resolve(idsOf(left).every((id) => all.has(id)));
  };
  await waitUntil(told, 'the successor has the results', 20_000);
  await runner.close();
  await served2;
  await second.updateConfig({ loadShards: 3, reallocate: true });
  await second.putRequests([request('elsewhere')]);

  // schedulers that share connections: one goes, and its subscription with it
  const shared = await connect(redis, { commandTimeout: 4_000 });
  const [stays, goes] = [await start('stays', { redis: shared }), await start('goes', { redis: shared })];
  try {
    await goes.close();
    const isGone = async (): Promise<boolean> => over.aborted || (await subscribers('goes')) === 0;
    await waitUntil(isGone, 'nobody listens for who has gone', 5_000);
  } finally {
    await stays.close();
    await shared.close();
  }
}

/** For a Cluster: on whichever master a subscriber is. */
export async function subscribersIn(
  masters: readonly Pick<Cluster, 'pubsub'>[],
  channel: string,
): Promise<number> {
  const counts = await Promise.all(
    masters.map(async (master) => ((await master.pubsub('NUMSUB', channel)) as [string, number])[1]),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}
