// What runs in the process of a NodeProcess: one scheduler, told over IPC what to do, telling all it sees.
import {
  Scheduler,
  SchedulerError,
  type BreakerOptions,
  type Budget,
  type ClaimedRequest,
  type PutOptions,
  type Result,
  type ResultStatus,
  type SchedulerOptions,
} from '../../src/index.ts';
import { monotonic, sleep } from '../../src/base/clock.ts';
import { told, type Prompt } from './fleet.ts';

/** What the parent may ask for. Answers travel as JSON. */
export interface Calls {
  /** Answers the node's name. */
  start(options: SchedulerOptions): Promise<string>;
  /** Answers the error codes of refused ids. */
  put(requests: readonly Prompt[], options?: PutOptions): Promise<Record<string, string>>;
  /** Claims and keeps what it got; answers ids. */
  get(budget: Budget, waitMs: number): Promise<string[]>;
  /** Sends a result for each of these ids that it ever claimed. */
  result(ids: readonly string[], finished: boolean): Promise<ResultStatus[]>;
  /** Serves from now on: each request takes `ms` and gives `chunks` chunks and its id. */
  serve(budget: Budget, ms: number, chunks: number): Promise<void>;
  /** Serves from now on by the engine at this address, over HTTP; nobody listening there is the engine's failure. */
  serveBy(budget: Budget, url: string, breaker: BreakerOptions): Promise<void>;
  /** Puts a request and waits for its result; answers how many ms that took. */
  submit(request: Prompt): Promise<number>;
  close(): Promise<void>;
}

/** What the parent sends. */
export interface Question {
  call: number;
  name: keyof Calls;
  args: unknown[];
}

/** What happens without being asked for. */
export type Happening =
  | { what: 'ready' }
  | { what: 'executes'; id: string; attempt: number }
  | { what: 'executed'; id: string }
  | { what: 'aborted'; id: string }
  /** Its engine was asked, and failed or not. ms of the child's own clock. */
  | { what: 'asked'; id: string; from: number; till: number; failed: boolean }
  | { what: 'givenBack'; id: string }
  | { what: 'engine'; state: 'down' | 'up' }
  | { what: 'news'; id: string; results: Result[] }
  | { what: 'over'; code: string };

export type Message =
  { type: 'answer'; call: number; value?: unknown; error?: string } | ({ type: 'happening' } & Happening);

const LOOK_FOR_NEWS_MS = 20;
let node: Scheduler<Prompt>;
const claimed = new Map<string, ClaimedRequest<Prompt>>();

function tell(happening: Happening): void {
  process.send?.({ type: 'happening', ...happening });
}

async function* handle(
  request: ClaimedRequest<Prompt>,
  ms: number,
  chunks: number,
): AsyncGenerator<string, string> {
  const { id, attempt, signal } = request;
  tell({ what: 'executes', id, attempt });
  signal.addEventListener('abort', () => tell({ what: 'aborted', id }));
  for (let i = 0; i < chunks; i += 1) {
    await sleep(ms / (chunks + 1), signal);
    yield `${id} ${i}`;
  }
  await sleep(ms / (chunks + 1), signal);
  if (!signal.aborted) tell({ what: 'executed', id });
  return id;
}

async function askEngine({ id, signal }: ClaimedRequest<Prompt>, url: string): Promise<string> {
  const from = monotonic();
  let failed = true;
  try {
    const answer = await fetch(url, { method: 'POST', body: id, signal });
    const text = await answer.text();
    failed = false;
    return text;
  } finally {
    tell({ what: 'asked', id, from, till: monotonic(), failed });
  }
}

function tellNews(): void {
  for (const [id, results] of told(node.getResults())) tell({ what: 'news', id, results });
}

const calls: Calls = {
  async start(options) {
    node = await Scheduler.start<Prompt>({
      ...(options as SchedulerOptions<Prompt>),
      onWarning: () => undefined,
    });
    const news = setInterval(tellNews, LOOK_FOR_NEWS_MS);
    node.over.addEventListener('abort', () => {
      clearInterval(news);
      tellNews();
      tell({ what: 'over', code: (node.over.reason as SchedulerError).code });
    });
    return node.node;
  },
  async put(requests, options) {
    const outcomes = await node.putRequests(requests, options);
    return Object.fromEntries(outcomes.flatMap(({ id, error }) => (error ? [[id, error.code]] : [])));
  },
  async get(budget, waitMs) {
    const got = await node.getRequests(budget, { waitMs });
    for (const one of got) {
      claimed.set(one.id, one);
      one.signal.addEventListener('abort', () => tell({ what: 'aborted', id: one.id }));
    }
    return got.map(({ id }) => id);
  },
  result: (ids, finished) =>
    node.putResults(ids.map((id) => ({ claim: claimed.get(id)!.claim, output: id, finished }))),
  serve(budget, ms, chunks) {
    node.run((request) => handle(request, ms, chunks), { budget }).catch(() => undefined);
    return Promise.resolve();
  },
  serveBy(budget, url, breaker) {
    node.events.on('givenBack', ({ id }) => tell({ what: 'givenBack', id }));
    node.events.on('engineDown', () => tell({ what: 'engine', state: 'down' }));
    node.events.on('engineUp', () => tell({ what: 'engine', state: 'up' }));
    // what fetch throws when nobody listens, or the engine hangs up
    const isEngineFailure = (error: unknown): boolean => error instanceof TypeError;
    const options = { budget, isEngineFailure, breaker };
    node.run((request) => askEngine(request, url), options).catch(() => undefined);
    return Promise.resolve();
  },
  async submit(request) {
    const from = performance.now();
    await node.submit(request).result();
    return performance.now() - from;
  },
  close: () => node.close(),
};

async function answer({ call, name, args }: Question): Promise<void> {
  try {
    const value = await (calls[name] as (...all: unknown[]) => Promise<unknown>)(...args);
    process.send?.({ type: 'answer', call, value });
  } catch (error) {
    const code = error instanceof SchedulerError ? error.code : String(error);
    process.send?.({ type: 'answer', call, error: code });
  }
}

process.on('message', (question: Question) => void answer(question));
// without its parent the process has no purpose
process.on('disconnect', () => process.exit());
tell({ what: 'ready' });
