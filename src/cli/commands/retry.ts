/** `sched-lua dead retry` of one entry. */
import { after } from '../../base/clock.ts';
import { removeEntries, type DeadEntry } from '../../inspect/dead-letters.ts';
import { catchInterrupt, interruptedCode } from '../interrupt.ts';
import { count, duration, oneLine, withoutSecrets, type Report } from '../output.ts';
import { withProgress } from '../progress.ts';
import type { Topic } from '../topic.ts';
import { handOver, NOT_KEPT, outcome, startNode, type Outcome, type RetryNode } from './retry-node.ts';

export interface RetryOptions {
  /** False: it is only put. */
  wait: boolean;
}

/** Puts the request again, waits until it has ended, and removes the entry if it ended well. */
export async function retry(topic: Topic, entry: DeadEntry, { wait }: RetryOptions): Promise<Report> {
  const { client, name } = topic;
  if (entry.body === undefined) return notKept(name, entry);
  const patience = new Patience(topic);
  const node = await startNode(topic, { isLeft: !wait }).catch((error: unknown) => {
    patience.end();
    throw error;
  });
  try {
    const ended = wait
      ? await watched(node, entry, topic, patience.over)
      : (await handOver(node, [entry]))[0]!;
    if (isWell(ended)) await removeEntries(client, name, [entry]);
    return report(name, node, entry, ended, patience);
  } finally {
    patience.end();
    await node.close({ pending: wait ? 'cancel' : 'keep' });
  }
}

/** How long a command waits for the ends of requests: until an interrupt, or for the `--timeout` that was given. */
export class Patience {
  readonly #over = new AbortController();
  readonly #ms: number | undefined;
  readonly #cancel: () => void = () => undefined;
  #isOut = false;

  constructor({ options }: Pick<Topic, 'options'>) {
    const interrupted = catchInterrupt();
    interrupted.addEventListener('abort', () => this.#over.abort());
    this.#ms = options.isTimeoutGiven ? options.timeout : undefined;
    if (this.#ms === undefined) return;
    this.#cancel = after(this.#ms, () => {
      this.#isOut = true;
      this.#over.abort();
    });
  }

  /** Fires when it is over: what is under way is cancelled. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** What was cancelled for; undefined: it has not been over. */
  get reason(): string | undefined {
    if (this.#isOut) return `had not ended after ${duration(this.#ms!)} (--timeout) and was cancelled`;
    return interruptedCode() === undefined ? undefined : 'was interrupted and cancelled';
  }

  get isOut(): boolean {
    return this.#isOut;
  }

  end(): void {
    this.#cancel();
  }
}

/** Its entry has done its duty. */
export function isWell({ kind }: Outcome): boolean {
  return kind === 'finished' || kind === 'put';
}

function notKept(topic: string, { entry, bytes }: DeadEntry): Report {
  return {
    json: { topic, entry },
    text: '',
    failure: {
      code: 'TOO_LARGE',
      message: `entry ${entry} cannot be retried: ${NOT_KEPT} (${bytes} bytes)`,
      hint: 'put the request again at its source',
    },
  };
}

async function watched(
  node: RetryNode,
  entry: DeadEntry,
  { say }: Topic,
  signal: AbortSignal,
): Promise<Outcome> {
  const began = Date.now();
  let chunks = 0;
  say(`put again by node ${node.node}, waiting for a runner`);
  const tell = (): void => {
    const state = chunks === 0 ? 'no result yet' : `${count(chunks, 'chunk')} so far`;
    say(`${state} after ${duration(Date.now() - began)}`);
  };
  const hears = {
    chunk: (n: number) => void (chunks = n),
    restart: () => {
      chunks = 0;
      say('its runner was lost; another attempt begins');
    },
  };
  return withProgress(tell, () => outcome(node, entry, signal, hears));
}

function report(
  topic: string,
  { node }: RetryNode,
  { entry, id }: DeadEntry,
  ended: Outcome,
  patience: Patience,
): Report {
  const { kind, outputs, reason } = ended;
  const json = { topic, entry, id, kind, outputs, reason: reason ?? null, removed: isWell(ended) };
  if (kind === 'put') return { json, text: `put again by node ${node}: request ${oneLine(id)}` };
  const text = outputs.map((output) => output.text).join('\n');
  if (kind === 'finished') return { json, text };
  const why = kind === 'cancelled' ? (patience.reason ?? 'was cancelled') : `ended as ${kind}`;
  const message = `request ${oneLine(id)} ${why}${reason ? `: ${withoutSecrets(oneLine(reason))}` : ''}`;
  const code = kind === 'cancelled' && patience.isOut ? 'TIMEOUT' : kind.toUpperCase();
  return { json, text, failure: { code, message, hint: `entry ${entry} is kept` } };
}
