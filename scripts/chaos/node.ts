/** One node of the chaos fleet, in a process of its own: a peer, its clients and its engine, all from one seed. */
import { messageOf } from '../../src/base/errors.ts';
import { Random } from '../lib/traffic/random.ts';
import { HistoryWriter } from '../lib/harness/history.ts';
import type { Happening, Output } from '../lib/harness/happenings.ts';
import { startOurs } from './ours.ts';
import type { ChaosRequest, Peer, PeerSettings, PutRequest, Task } from '../lib/harness/peer.ts';
import { startReference } from './naive-twin.ts';

export interface NodeSettings extends PeerSettings {
  algorithm: 'ours' | 'reference';
  seed: number;
  /** In front of its requests' ids. */
  label: string;
  /** Requests that its clients bring; 0: none. */
  perSecond: number;
  /** File. */
  history: string;
}

/** From the parent. */
export type Order =
  | { order: 'start'; settings: NodeSettings }
  /** The date of this process jumps. */
  | { order: 'clock'; stepMs: number }
  /** No more requests. */
  | { order: 'quiet' }
  | { order: 'close' };

/** To the parent. */
export type Report =
  { report: 'ready'; node: string } | { report: 'failed'; reason: string } | { report: 'closed' };

const PUT_EVERY_MS = 20;
const MOST_PUTS_UNANSWERED = 200;
const START_AGAIN_MS = 100;

class ChaosNode {
  readonly #settings: NodeSettings;
  readonly #history: HistoryWriter<Happening>;
  readonly #random: Random;
  #peer: Peer | undefined;
  #clients: NodeJS.Timeout | undefined;
  #count = 0;
  #unanswered = 0;

  constructor(settings: NodeSettings) {
    this.#settings = settings;
    this.#history = new HistoryWriter(settings.history);
    this.#random = new Random(settings.seed);
  }

  /** Tries until there is a connection that lives long enough. */
  async start(): Promise<string> {
    const start = this.#settings.algorithm === 'ours' ? startOurs : startReference;
    while (!this.#peer) {
      try {
        this.#peer = await start(this.#settings, this.#history, (task) => this.#execute(task));
      } catch (error) {
        this.#history.write({ what: 'warned', message: `start: ${messageOf(error)}` });
        await pause(START_AGAIN_MS);
      }
    }
    if (this.#settings.perSecond > 0) this.#clients = setInterval(() => this.#bring(), PUT_EVERY_MS);
    return this.#peer.node;
  }

  quiet(): void {
    clearInterval(this.#clients);
  }

  async close(): Promise<void> {
    this.quiet();
    await this.#peer?.close();
    this.#history.close();
  }

  /** Clients come in groups now and then, so that lines form. */
  #bring(): void {
    const mean = (this.#settings.perSecond * PUT_EVERY_MS) / 1000;
    const group = this.#random.uniform() < 0.25 ? Math.round(mean * 8 * this.#random.uniform()) : 0;
    if (group === 0 || this.#unanswered >= MOST_PUTS_UNANSWERED) return;
    void this.#put(Array.from({ length: group }, () => this.#draw()));
  }

  #draw(): PutRequest {
    const random = this.#random;
    const id = `${this.#settings.label}-${this.#count++}`;
    const slow = random.uniform() < 0.03;
    const request: ChaosRequest = {
      request_id: id,
      prompt_token_ids: Array.from({ length: random.int(1, 40) }, (_, i) => i),
      chunks: random.int(0, 3),
      stepMs: slow ? random.int(100, 600) : random.int(0, 8),
    };
    const fate = this.#settings.algorithm === 'ours' ? random.uniform() : 1;
    const put: PutRequest = {
      request,
      priority: random.uniform() < 0.05 && this.#settings.algorithm === 'ours' ? 2_000 : 0,
      deadlineMs: fate < 0.02 ? random.int(100, 2_000) : undefined,
      signal: undefined,
    };
    this.#history.write({
      ...{ what: 'put', id, priority: put.priority },
      ...(put.deadlineMs === undefined ? {} : { deadlineMs: put.deadlineMs }),
    });
    if (fate > 0.02 && fate < 0.06) put.signal = this.#cancelLater(id, random.int(1, 400));
    return put;
  }

  #cancelLater(id: string, ms: number): AbortSignal {
    const controller = new AbortController();
    setTimeout(() => {
      this.#history.write({ what: 'cancelling', id });
      controller.abort();
    }, ms);
    return controller.signal;
  }

  async #put(requests: readonly PutRequest[]): Promise<void> {
    this.#unanswered += requests.length;
    const each = this.#settings.algorithm === 'ours' ? requests.map((one) => [one]) : [requests];
    await Promise.all(
      each.map(async (some) => {
        const answers = await this.#peer!.put(some);
        some.forEach(({ request: { request_id: id } }, i) => {
          const refusal = answers[i];
          this.#history.write(refusal ? { what: 'refused', id, ...refusal } : { what: 'accepted', id });
        });
        this.#unanswered -= some.length;
      }),
    );
  }

  async *#execute({
    request,
    owner,
    fence,
    attempt,
    signal,
  }: Task): AsyncGenerator<Output, Output, undefined> {
    const { request_id: id, chunks, stepMs } = request;
    this.#history.write({ what: 'claimed', id, owner, fence, attempt });
    let stopped = true;
    try {
      for (let number = 1; ; number += 1) {
        if (stepMs > 0) await pause(stepMs);
        const output = { id, fence, number };
        const final = number > chunks;
        if (!signal.aborted) {
          this.#history.write({ what: 'sent', id, fence, number, final });
          stopped = !final;
        }
        if (final) return output;
        yield output;
      }
    } finally {
      if (stopped) this.#history.write({ what: 'stopped', id, fence });
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** As an administrator's or NTP's step does: what measures by the date is wrong from here on. */
function stepClock(stepMs: number): void {
  const before = Date.now.bind(Date);
  globalThis.Date = new Proxy(Date, {
    construct: (target, args: [number?]) => new target(args[0] ?? before() + stepMs),
    get: (target, name): unknown =>
      name === 'now' ? (): number => before() + stepMs : Reflect.get(target, name),
  });
}

function tell(report: Report): void {
  process.send?.(report);
}

let node: ChaosNode | undefined;

async function obey(order: Order): Promise<void> {
  if (order.order === 'start') {
    node = new ChaosNode(order.settings);
    tell({ report: 'ready', node: await node.start() });
  } else if (order.order === 'clock') {
    stepClock(order.stepMs);
  } else if (order.order === 'quiet') {
    node?.quiet();
  } else {
    await node?.close();
    tell({ report: 'closed' });
    process.disconnect();
  }
}

process.on('message', (order: Order) => {
  obey(order).catch((error: unknown) => tell({ report: 'failed', reason: messageOf(error) }));
});
process.on('unhandledRejection', (error) =>
  tell({
    report: 'failed',
    reason: `unhandled: ${error instanceof Error ? String(error.stack) : messageOf(error)}`,
  }),
);
// Ctrl-C reaches the whole process group, and the parent decides when we end
process.on('SIGINT', () => undefined);
// without the parent there is nothing to live for; a disconnect of our own ends us by itself, this is for others
process.on('disconnect', () => process.exit());
