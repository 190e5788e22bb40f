/** The scheduler's side: put by one node, run by another, taken by the first. All of it goes through Redis. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Scheduler, type Budget, type Result, type SchedulerOptions } from '../../src/index.ts';
import { Feed, type Load } from './feed.ts';
import { codecOf, outputOf, type BenchRequest, type CodecName } from './payloads.ts';

export interface Pair {
  owner: BenchScheduler;
  runner: BenchScheduler;
}

export type BenchScheduler = Scheduler<BenchRequest>;

/** How long the runner waits for work before it looks whether the round is over. */
const LOOK_MS = 20;
/** `getResults` answers at once; between two calls the owner rests so long. */
const REST_MS = 1;

/** A node of the benchmark. By default a peer may be served however little waits there. */
export function startNode(
  redis: string,
  topic: string,
  node: string,
  codec: CodecName,
  stealing: Pick<SchedulerOptions, 'policy' | 'minLoadScore' | 'stealAfterMs'> = { minLoadScore: 1 },
): Promise<BenchScheduler> {
  const bodies = codecOf(codec);
  return Scheduler.start<BenchRequest>({
    redis,
    topic,
    node,
    ...stealing,
    codec: {
      encode: ({ body }) => bodies.encode(body),
      decode: (bytes) => ({ id: '', tokens: 0, body: bodies.decode(bytes) }),
    },
    outputCodec: bodies,
    idOf: ({ id }) => id,
    promptTokensOf: ({ tokens }) => tokens,
    onWarning: () => undefined,
  });
}

/** Runs the load; answers the requests that were put, run and taken, which is all of them. */
export async function runOurs({ owner, runner }: Pair, load: Load): Promise<number> {
  const feed = new Feed(load);
  const sides = [put(owner, feed), serve(runner, feed, load), take(owner, feed)];
  for (const side of sides) side.catch((error: unknown) => feed.fail(error));
  await feed.over.finally(() => Promise.allSettled(sides));
  return feed.finishedCount;
}

/** Puts whenever there is room, which is looked at when a put was answered and when results were taken. */
async function put(owner: BenchScheduler, feed: Feed): Promise<void> {
  const send = async (requests: BenchRequest[]): Promise<void> => {
    const outcomes = await owner.putRequests(requests);
    for (const { error } of outcomes) if (error) throw error;
    feed.answered();
    pump();
  };
  const pump = (): void => {
    for (let requests = feed.next(); requests; requests = feed.next())
      send(requests).catch((error: unknown) => feed.fail(error));
  };
  while (!feed.isOver) {
    pump();
    await sleep(REST_MS);
  }
}

/** Claims one batch after another, as an engine's loop does; results are not waited for unless too many are on their way. */
async function serve(runner: BenchScheduler, feed: Feed, load: Load): Promise<void> {
  const budget = budgetFor(load.batch, load.tokens);
  const { output } = outputOf(load.codec);
  const unanswered = new Set<Promise<void>>();
  const send = async (claims: readonly string[]): Promise<void> => {
    const answers = await runner.putResults(claims.map((claim) => ({ claim, output, finished: true })));
    const bad = answers.find((answer) => answer !== 'ok');
    if (bad) throw new Error(`a result was answered ${bad}`);
  };
  while (!feed.isOver) {
    const requests = await runner.getRequests(budget, { waitMs: LOOK_MS });
    if (requests.length === 0) continue;
    const sending = send(requests.map(({ claim }) => claim)).catch((error: unknown) => feed.fail(error));
    unanswered.add(sending);
    void sending.then(() => unanswered.delete(sending));
    if (unanswered.size >= load.inFlight) await Promise.race(unanswered);
  }
}

async function take(owner: BenchScheduler, feed: Feed): Promise<void> {
  while (!feed.isOver) {
    const news = owner.getResults();
    for (const results of news.values()) checkFinal(results);
    if (news.size > 0) feed.finished(news.size);
    await sleep(REST_MS);
  }
}

function checkFinal(results: readonly Result[]): void {
  const kinds = results.map(({ kind }) => kind).join(' ');
  if (kinds !== 'finished') throw new Error(`a request got the results: ${kinds}`);
}

/** An engine with room for just so many prompts of so many tokens. */
export function budgetFor(batch: number, tokens: number): Budget {
  return {
    availableBlocks: 2 ** 30,
    blockSize: 64,
    reservedOutputBlocks: 1,
    maxNumBatchedTokens: batch * tokens,
    batch,
  };
}
