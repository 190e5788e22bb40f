/** sched-lua, by its public calls. */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import {
  connect,
  Scheduler,
  type Budget,
  type ClaimedRequest,
  type Result,
  type SchedulerOptions,
} from '../../../src/index.ts';
import { now } from '../../lib/harness/history.ts';
import {
  chunkOf,
  OUTPUT,
  requestsOf,
  type BenchRequest,
  type Chunk,
  type Lifecycles,
  type Streams,
} from '../loads.ts';
import type {
  Claimed,
  Contender,
  Heard,
  OwnerPort,
  Place,
  ReaderPort,
  RunnerPort,
  WriterPort,
} from './port.ts';

export type BenchNode = Scheduler<BenchRequest, Chunk | string>;

/** How long a call waits before it is made again. */
const WAIT_MS = 1_000;
/** No reader may be so far behind that a stream ends as failed: what a round leaves is read afterwards. */
const NO_BOUND = 1_000_000;
/** Calls that many schedulers of a process send over one connection. */
const PER_CONNECTION = 16;
/** Chunks of `run` on their way before the next iteration begins, for each stream. */
const AHEAD = 16;

export const ours: Contender = {
  owner: async (place): Promise<OwnerPort> => {
    const node = await startNode(place.redis, place.topic, 'owner');
    return {
      put: async (requests) => {
        for (const { error } of await node.putRequests(requests)) if (error) throw error;
      },
      take: async () => {
        const news = await node.getResults({ waitMs: WAIT_MS });
        for (const results of news.values()) checkFinal(results);
        return news.size;
      },
      close: () => node.close(),
    };
  },
  runner: async (place) => {
    const { room, tokens, idle } = place.load as Lifecycles;
    if (idle !== undefined) return idleNodes(place, idle);
    const node = await startNode(place.redis, place.topic, 'runner');
    const budget = budgetFor(room, tokens);
    return {
      claim: async () => (await node.getRequests(budget, { waitMs: WAIT_MS })).map(claimedOf),
      finish: (claims) => finish(node, claims),
      close: () => node.close(),
    };
  },
  reader: (place) => readerOf(place),
  writer: (place) => writerOf(place),
};

/** A node of the benchmark. */
export function startNode(
  redis: SchedulerOptions['redis'] & {},
  topic: string,
  node: string,
  options: SchedulerOptions<BenchRequest, Chunk | string> = {},
): Promise<BenchNode> {
  return Scheduler.start<BenchRequest, Chunk | string>({
    ...{ redis, topic, node, maxResults: NO_BOUND, maxUnread: NO_BOUND },
    idOf: ({ id }) => id,
    onWarning: () => undefined,
    ...options,
  });
}

/** An engine with room for just so many prompts of so many tokens. */
export function budgetFor(batch: number, tokens: number): Budget {
  return {
    ...{ availableBlocks: 2 ** 30, blockSize: 64, reservedOutputBlocks: 1 },
    ...{ maxNumBatchedTokens: batch * tokens, batch },
  };
}

export async function finish(
  node: BenchNode,
  claims: readonly { claim: string }[],
  output = OUTPUT,
): Promise<void> {
  const answers = await node.putResults(claims.map(({ claim }) => ({ claim, output, finished: true })));
  const bad = answers.find((answer) => answer !== 'ok');
  if (bad) throw new Error(`a result was answered ${bad}`);
}

function checkFinal(results: readonly Result[]): void {
  const kinds = results.map(({ kind }) => kind).join(' ');
  if (kinds !== 'finished') throw new Error(`a request got the results: ${kinds}`);
}

function claimedOf({ request, claim }: ClaimedRequest<BenchRequest>): Claimed {
  return { request, claim, claimedAt: now() };
}

/** What idle nodes do by themselves: that of hundreds would keep their one process busy, which no real node is. */
const RARELY = { pollMs: 60_000, leaseMs: 300_000, keepAliveMs: 300_000 } as const;

/** Nodes that all wait for work, in one process. */
async function idleNodes({ redis, topic }: Place, count: number): Promise<RunnerPort> {
  const claims: Claimed[] = [];
  let wake = (): void => undefined;
  const served: Promise<void>[] = [];
  const nodes: BenchNode[] = [];
  const connections: Awaited<ReturnType<typeof connect>>[] = [];
  const handler = (request: ClaimedRequest<BenchRequest>): string => {
    claims.push(claimedOf(request));
    wake();
    return OUTPUT;
  };
  while (nodes.length < count) {
    const connection = await connect(redis);
    connections.push(connection);
    const some = Array.from({ length: Math.min(PER_CONNECTION, count - nodes.length) }, (_, i) =>
      startNode(connection, topic, `runner-${nodes.length + i}`, RARELY),
    );
    for (const node of await Promise.all(some)) {
      nodes.push(node);
      served.push(node.run(handler, { budget: budgetFor(8, 128) }));
    }
  }
  return {
    claim: async () => {
      if (claims.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      return claims.splice(0);
    },
    // by the handler
    finish: () => Promise.resolve(),
    close: async () => {
      await Promise.all(nodes.map((node) => node.close()));
      await Promise.all(served);
      for (const connection of connections) await connection.close();
    },
  };
}

/** The requests of a round's streams; a stream is the number in its id. */
function streamRequests(round: number, streams: number): BenchRequest[] {
  const make = requestsOf(8);
  return Array.from({ length: streams }, (_, stream) => ({
    ...make(stream, ''),
    id: `${round}-${stream}`,
  }));
}

function streamOf(id: string): number {
  return Number(id.slice(id.indexOf('-') + 1));
}

/** The readers of one or many owners. Of runs and of paced calls they iterate, else they ask for results. */
async function readerOf({ redis, topic, load }: Place, own?: BenchNode): Promise<ReaderPort> {
  const { streams, owners, by, pacedMs } = load as Streams;
  const shared = owners > 1 ? await connect(redis) : undefined;
  const nodes: BenchNode[] = own ? [own] : [];
  for (let i = 0; i < owners; i += 1) nodes.push(await startNode(shared ?? redis, topic, `owner-${i}`));
  const nodeOf = (stream: number): BenchNode => nodes[stream % nodes.length]!;
  const iterates = by === 'run' || pacedMs !== undefined;
  let ids: string[] = [];

  const iterate = async (request: BenchRequest, stream: number, heard: Heard): Promise<void> => {
    for await (const result of nodeOf(stream).submit(request)) tell(heard, stream, result);
  };
  const collect = async (node: BenchNode, left: number, heard: Heard): Promise<void> => {
    while (left > 0) {
      for (const [id, results] of await node.getResults({ waitMs: WAIT_MS })) {
        const stream = streamOf(id);
        for (const result of results) if (tell(heard, stream, result)) left -= 1;
      }
    }
  };
  return {
    open: async (round, heard) => {
      const requests = streamRequests(round, streams);
      ids = requests.map(({ id }) => id);
      if (iterates) {
        requests.forEach((request, stream) => void iterate(request, stream, heard).catch(fail));
        return;
      }
      await Promise.all(
        nodes.map(async (node) => {
          const some = requests.filter((_, stream) => nodeOf(stream) === node);
          for (const { error } of await node.putRequests(some)) if (error) throw error;
          void collect(node, some.length, heard).catch(fail);
        }),
      );
    },
    cancel: (stream) => nodeOf(stream).cancel(ids[stream]!),
    close: async () => {
      if (!own) await Promise.all(nodes.map((node) => node.close()));
      await shared?.close();
    },
  };
}

/** Whether it was the last. */
function tell(heard: Heard, stream: number, result: Result<Chunk | string>): boolean {
  if (result.kind === 'chunk') {
    heard.chunk(stream, result.output as Chunk);
    return false;
  }
  if (result.kind !== 'finished' && result.kind !== 'cancelled')
    throw new Error(`a stream got ${result.kind}: ${result.reason ?? ''}`);
  heard.end(stream);
  return true;
}

/** What a loop that nobody waits for throws must end the process. */
function fail(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

async function writerOf({ redis, topic, load }: Place): Promise<WriterPort> {
  const streams = load as Streams;
  const { flushMs = 0 } = streams;
  const node = await startNode(redis, topic, 'runner', { flushMs });
  return streams.by === 'run' ? handlers(node, streams) : calls(node, streams);
}

/** An engine's loop that sends one chunk of each of its streams in one call. */
function calls(node: BenchNode, { streams, pacedMs, cancelled = 0, areApart }: Streams): WriterPort {
  let claims: ClaimedRequest<BenchRequest>[] = [];
  const check = (answers: readonly string[]): void => {
    const bad = answers.find((answer) => answer !== 'ok' && !(answer === 'lost' && cancelled > 0));
    if (bad) throw new Error(`a chunk was answered ${bad}`);
  };
  /** The moment of a stream is the same in every iteration. */
  const sendApart = async (index: number): Promise<void> => {
    const from = now();
    for (const [i, { claim }] of claims.entries()) {
      const early = from + (pacedMs! * i) / streams - now();
      // a timer is of whole ms: those of the same ms still come one by one
      await (early > 0 ? sleep(early) : nextTurn());
      node
        .putResults([{ claim, output: chunkOf(index, now()) }])
        .then(check)
        .catch(fail);
    }
  };
  return {
    open: async () => {
      while (claims.length < streams)
        claims.push(...(await node.getRequests(budgetFor(streams - claims.length, 8), { waitMs: WAIT_MS })));
    },
    send: async (index) => {
      if (areApart) return sendApart(index);
      if (cancelled > 0) claims = claims.filter(({ signal }) => !signal.aborted);
      const at = pacedMs === undefined ? undefined : now();
      check(await node.putResults(claims.map(({ claim }) => ({ claim, output: chunkOf(index, at) }))));
    },
    end: async () => {
      const ending = claims.filter(({ signal }) => !signal.aborted);
      claims = [];
      await node.putResults(ending.map(({ claim }) => ({ claim, finished: true })));
    },
    close: () => node.close(),
  };
}

/** Handlers of `run` that yield one chunk in each iteration. */
function handlers(node: BenchNode, { streams, pacedMs }: Streams): WriterPort {
  let [running, sent, ended] = [0, 0, false];
  let [step, next] = newStep();
  const served = node.run(
    async function* () {
      running += 1;
      for (let index = 0; ; index += 1) {
        while (index >= sent && !ended) await step;
        if (index >= sent) return undefined;
        yield chunkOf(index, pacedMs === undefined ? undefined : now());
      }
    },
    { budget: budgetFor(streams, 8) },
  );
  const go = (): void => {
    const before = next;
    [step, next] = newStep();
    before();
  };
  return {
    open: async () => {
      while (running < streams) await sleep(1);
    },
    send: async (index) => {
      sent = index + 1;
      go();
      await nextTurn();
      while (node.stats().claims.unanswered > AHEAD * streams) await sleep(1);
    },
    end: async () => {
      ended = true;
      go();
      while (node.stats().claims.running > 0) await sleep(1);
      [running, sent, ended] = [0, 0, false];
    },
    close: async () => {
      await node.close();
      await served;
    },
  };
}

function newStep(): [step: Promise<void>, next: () => void] {
  let next!: () => void;
  const step = new Promise<void>((resolve) => (next = resolve));
  return [step, next];
}

/** A node that runs its own requests: their chunks stay in its memory. */
export async function ownStreams(place: Place): Promise<{ reader: ReaderPort; writer: WriterPort }> {
  const node = await startNode(place.redis, place.topic, 'owner-0');
  return { reader: await readerOf(place, node), writer: calls(node, place.load as Streams) };
}
