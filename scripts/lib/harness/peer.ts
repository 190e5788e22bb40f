/** What a node of a run needs of a scheduler, so that sched-lua and the naive twin go through the same. */
import type { Happening, Output } from './happenings.ts';
import type { HistoryWriter } from './history.ts';

/** A request as it travels through Redis; what else it carries is the tool's. */
export interface RunRequest {
  request_id: string;
  prompt_token_ids: number[];
}

/** A claim in the hand of the engine. */
export interface Task<Request> {
  request: Request;
  owner: string;
  fence: string;
  attempt: number;
  promptTokens: number;
  signal: AbortSignal;
}

/** Executes a request; the returned output is the final one. */
export type Execute<Request> = (task: Task<Request>) => AsyncGenerator<Output, Output, undefined>;

export interface Refusal {
  code: string;
  reason: string;
}

export interface PutRequest<Request> {
  request: Request;
  /** `signal` cancels it when it fires. */
  options?: { priority?: number; deadlineMs?: number; signal?: AbortSignal };
}

export interface Peer<Request> {
  readonly node: string;
  /** Per request: why it was refused, or undefined: it is accepted. What it becomes is told through the history. */
  put(requests: readonly PutRequest<Request>[]): Promise<(Refusal | undefined)[]>;
  /** The topic has so many load shards from now on; missing: it knows none. */
  reshard?(count: number): void;
  close(): Promise<void>;
}

/** Puts requests, and writes down the answers. */
export async function putRecorded<Request extends RunRequest>(
  peer: Peer<Request>,
  history: HistoryWriter<Happening>,
  requests: readonly PutRequest<Request>[],
): Promise<void> {
  const answers = await peer.put(requests);
  requests.forEach(({ request: { request_id: id } }, i) => {
    const refusal = answers[i];
    history.write(refusal ? { what: 'refused', id, ...refusal } : { what: 'accepted', id });
  });
}

/**
 * Executes a claim and writes down that it came, every result before it is sent, and a stop before the end.
 *
 * @param work each step is a result; the one that it returns is the final one
 */
export async function* executeRecorded<Step extends Partial<Output>>(
  history: HistoryWriter<Happening>,
  { request: { request_id: id }, owner, fence, attempt, signal }: Task<RunRequest>,
  work: AsyncGenerator<Step, Step, undefined>,
): AsyncGenerator<Output, Output, undefined> {
  history.write({ what: 'claimed', id, owner, fence, attempt });
  let stopped = true;
  try {
    for (let number = 1; ; number += 1) {
      const { value, done = false } = await work.next();
      const output = { ...value, id, fence, number };
      if (!signal.aborted) {
        history.write({ what: 'sent', id, fence, number, final: done });
        stopped = !done;
      }
      if (done) return output;
      yield output;
    }
  } finally {
    if (stopped) history.write({ what: 'stopped', id, fence });
    await work.return(undefined as never);
  }
}
