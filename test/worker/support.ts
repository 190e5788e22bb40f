// Workers beside engines, and a front in the place of a gateway: it puts requests on the wire and hears what comes back.
import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { Redis } from 'ioredis';
import { Scheduler, type PutOptions, type Submission } from '../../src/index.ts';
import { topicOf } from '../../src/openai/registry.ts';
import { WIRE_OPTIONS, type Claimed, type RequestHead, type ResponseHead } from '../../src/openai/wire.ts';
import type { Interrupted, WireRequest, WireResult } from '../../src/openai/wire.ts';
import type { WorkerOptions } from '../../src/worker/options.ts';
import { Worker } from '../../src/worker/worker.ts';
import { bundle } from '../support/bundle.ts';
import { freshTopic, redisUrl, waitUntil } from '../support/server.ts';
import type { Said } from './worker-child.ts';

export const TIMES = { leaseMs: 2_000, keepAliveMs: 4_000, pollMs: 200, ttlMs: 300_000 } as const;

export type Front = Scheduler<WireRequest, WireResult>;

export interface Ask extends Partial<Omit<RequestHead, 'id'>> {
  body?: Buffer | object;
  id?: string;
  put?: PutOptions;
  /** Nothing is read before. */
  readAfter?: Promise<unknown>;
}

/** What came back of one request, and comes: `ended` resolves at its end. */
export interface Heard {
  id: string;
  claims: Claimed[];
  heads: ResponseHead[];
  /** Of the last attempt. */
  parts: Buffer[];
  restarts: number;
  interrupted: Interrupted | undefined;
  final: string | undefined;
  reason: string | undefined;
  submission: Submission<WireResult>;
  ended: Promise<void>;
}

export function bytesOf({ parts }: Heard): Buffer {
  return Buffer.concat(parts);
}

/** The content of the stream so far. */
export function contentOf(heard: Heard): string {
  const events = String(bytesOf(heard)).split('\n\n').slice(0, -1);
  const chunks = events
    .filter((event) => event.startsWith('data: {'))
    .map((event) => JSON.parse(event.slice(6)) as Chunk);
  return chunks.map(({ choices: [choice] }) => choice?.delta?.content ?? choice?.text ?? '').join('');
}

interface Chunk {
  choices: { delta?: { content?: string }; text?: string }[];
}

export class WorkerFleet {
  name = '';
  readonly warnings: string[] = [];
  #workers: Worker[] = [];
  #fronts: Front[] = [];
  #kills: (() => Promise<void>)[] = [];
  redis!: Redis;
  readonly #url: () => string;

  constructor(url: () => string) {
    this.#url = url;
  }

  open(): void {
    this.name = freshTopic();
    this.warnings.length = 0;
    this.redis = new Redis(this.#url(), { maxRetriesPerRequest: null });
    this.redis.on('error', () => undefined);
  }

  async worker(engine: string, options: Partial<WorkerOptions> = {}): Promise<Worker> {
    const worker = await Worker.start({
      ...{ engine, fleet: this.name, redis: this.#url(), scheduler: TIMES, probeMs: 50 },
      onWarning: (line) => void this.warnings.push(line),
      ...options,
    });
    this.#workers.push(worker);
    return worker;
  }

  async front(model = 'counting'): Promise<Front> {
    const front: Front = await Scheduler.start<WireRequest, WireResult>({
      ...TIMES,
      ...WIRE_OPTIONS,
      ...{ redis: this.#url(), topic: topicOf(this.name, model), node: 'gateway' },
      onWarning: (line) => void this.warnings.push(line),
    });
    this.#fronts.push(front);
    return front;
  }

  /** A worker in a process of its own; what it gives kills that. */
  async process(
    engine: string,
    more: Partial<WorkerOptions> = {},
  ): Promise<{ node: string; kill: () => Promise<void> }> {
    const child = fork(await bundle(new URL('./worker-child.ts', import.meta.url)), { execArgv: [] });
    const gone = once(child, 'exit');
    const kill = async (): Promise<void> => {
      child.kill('SIGKILL');
      await gone;
    };
    this.#kills.push(kill);
    const options = { engine, fleet: this.name, redis: this.#url(), scheduler: TIMES, probeMs: 50, ...more };
    child.send(options);
    const [said] = (await once(child, 'message')) as [Said];
    if ('error' in said) throw new Error(said.error);
    return { node: said.node, kill };
  }

  async close(): Promise<void> {
    await Promise.all(this.#kills.splice(0).map((kill) => kill()));
    await Promise.all(this.#workers.splice(0).map((worker) => worker.close({ drainMs: 0 })));
    await Promise.all(this.#fronts.splice(0).map((front) => front.close({ drainMs: 0 })));
    this.redis.disconnect();
  }
}

/** @param url of Redis; default: the one of the run */
export function useWorkerFleet(url: () => string = redisUrl): WorkerFleet {
  const fleet = new WorkerFleet(url);
  beforeEach(() => fleet.open());
  afterEach(() => fleet.close());
  return fleet;
}

/** Puts a request for the engine that counts: a stream of chat unless it says otherwise. */
export function ask(
  front: Front,
  { body, id = randomUUID(), put = {}, readAfter, ...more }: Ask = {},
): Heard {
  const stream = more.stream ?? true;
  const asked = body ?? {
    model: 'counting',
    stream,
    messages: [{ role: 'user', content: 'go' }],
    max_tokens: 20,
  };
  const head: RequestHead = {
    ...{ id, route: '/v1/chat/completions', model: 'counting', stream, promptTokens: 4 },
    ...more,
  };
  const bytes = Buffer.isBuffer(asked) ? asked : Buffer.from(JSON.stringify(asked));
  const submission = front.submit({ head, body: bytes }, put);
  const heard: Heard = {
    ...{ id, claims: [], heads: [], parts: [], restarts: 0, submission },
    ...{ interrupted: undefined, final: undefined, reason: undefined },
    ended: Promise.resolve(),
  };
  heard.ended = readAfter === undefined ? hear(heard) : readAfter.then(() => hear(heard));
  return heard;
}

async function hear(heard: Heard): Promise<void> {
  for await (const result of heard.submission) {
    if (result.kind === 'restart') {
      heard.restarts += 1;
      heard.parts = [];
    } else if (result.output !== undefined) take(heard, result.output);
    if (result.kind !== 'chunk' && result.kind !== 'restart') heard.final = result.kind;
    if (result.kind === 'failed') heard.reason = result.reason;
  }
}

function take(heard: Heard, output: WireResult): void {
  if (output.kind === 'claimed') heard.claims.push(output.claimed);
  else if (output.kind === 'interrupted') heard.interrupted = output.interrupted;
  else heard.parts.push(Buffer.from(output.body));
  if (output.kind === 'head') heard.heads.push(output.head);
}

/** So many tokens, or bytes of content, have come. */
export function contentComes(heard: Heard, content: string): Promise<void> {
  return waitUntil(() => contentOf(heard).startsWith(content), `${content} has come`);
}
