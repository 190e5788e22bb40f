/** What is sent from one process to another in a round. */

/** Requests from their put to their result in the owner's hands. */
export interface Lifecycles {
  kind: 'lifecycles';
  /** Requests of a put. */
  batch: number;
  /** Most requests of a claim. */
  room: number;
  /** Requests that were put and not yet taken back, at most. */
  window: number;
  /** Prompt tokens of a request. */
  tokens: number;
  /** Between a request's end and the next put: nobody is busy then, and how long a request waits is measured. */
  pauseMs?: number;
  /** Nodes that `run`, of which one gets the request. Missing: one node that calls `getRequests`. */
  idle?: number;
}

/** Chunks of running requests from their runner to the readers of their owners. */
export interface Streams {
  kind: 'streams';
  streams: number;
  /** 0: the runner's own. */
  owners: number;
  /** `calls`: putResults of one chunk each; `run`: what handlers of `run` yield. */
  by: 'calls' | 'run';
  /** Of an iteration. Missing: the next begins when the call for one was answered. */
  pacedMs?: number;
  /** Each stream has its own moment in an iteration, and its chunk a call of its own, which is not waited for. */
  areApart?: boolean;
  /** Of the runner: how long chunks wait for others, ms. */
  flushMs?: number;
  /** Share of the streams that their owners cancel, one after the other. */
  cancelled?: number;
}

/** One request at a time, while nobody is busy. The owner has an engine, unlike that of paused lifecycles. */
export interface Claims {
  kind: 'claims';
  /** `own`: the owner is idle. `steal`: it is busy, and becomes loaded by the put; an idle peer gets what waits there. */
  who: 'own' | 'steal';
}

export type Load = Lifecycles | Streams | Claims;

/** A request; its fields are the contenders' JSON. */
export interface BenchRequest {
  owner: string;
  id: string;
  prompt_token_ids: readonly number[];
  sampling: object;
  /** When it was put, of the histories' clock; 0: nobody asks. */
  at: number;
}

/** What a stream has at each iteration. */
export interface Chunk {
  token: string;
  index: number;
  logprob: number;
  /** When it was sent, of the histories' clock; missing: nobody asks. */
  at?: number;
}

/** Different prompts in one run. */
const PROMPTS = 64;
const VOCABULARY = 128_000;
const SAMPLING = { max_tokens: 512, temperature: 0.7, top_p: 0.95 };

/** What every request has for an answer. */
export const OUTPUT = 'r'.repeat(126);

/** Makes requests with prompts of so many tokens, the same ones in every run. */
export function requestsOf(tokens: number): (number: number, owner: string, at?: number) => BenchRequest {
  let state = tokens + 1;
  // Park and Miller's generator: it only has to vary the digits
  const token = (): number => (state = (state * 48_271) % 2_147_483_647) % VOCABULARY;
  const most = Math.max(1, Math.min(PROMPTS, Math.floor(200_000 / Math.max(1, tokens))));
  const prompts = Array.from({ length: most }, () => Array.from({ length: tokens }, token));
  return (number, owner, at = 0) => ({
    owner,
    // as long as those that are made of a UUID
    id: `cmpl-${number.toString(16).padStart(32, '0')}`,
    prompt_token_ids: prompts[number % most]!,
    sampling: SAMPLING,
    at,
  });
}

/** Bytes of such a request in Redis. */
export function bytesOf(tokens: number): number {
  return JSON.stringify(requestsOf(tokens)(0, 'owner')).length;
}

export function chunkOf(index: number, at?: number): Chunk {
  const chunk = { token: ' hello', index, logprob: -0.12 };
  return at === undefined ? chunk : { ...chunk, at };
}
