/**
 * One node of the demo's fleet, in a process of its own: a scheduler, an emulated engine, and the clients whose requests
 * the parent sends. Everything it sees goes into its history before it acts on it.
 */
import {
  jsonCodec,
  Scheduler,
  type ClaimedRequest,
  type Codec,
  type SchedulerOptions,
} from '../../src/index.ts';
import { messageOf } from '../../src/base/errors.ts';
import { EmulatedEngine } from '../../src/testing/engine/engine.ts';
import { HistoryWriter } from '../lib/harness/history.ts';
import type { Happening, Output } from './history.ts';

/** A request as a client of this node brings it. */
export interface Arrival {
  id: string;
  promptTokens: number;
  outputTokens: number;
}

export interface NodeSettings {
  scheduler: Required<
    Pick<SchedulerOptions, 'topic' | 'node' | 'takeover' | 'policy' | 'leaseMs' | 'ttlMs'>
  > & {
    redis: string;
  };
  /** Real ms per ms of the engine's model. */
  timeScale: number;
  /** File. */
  history: string;
}

/** From the parent. */
export type Order =
  { order: 'start'; settings: NodeSettings } | { order: 'put'; arrivals: Arrival[] } | { order: 'close' };

/** To the parent. */
export type Report = { report: 'ready' } | { report: 'failed'; reason: string };

/** What travels through Redis. */
interface LlmRequest {
  request_id: string;
  prompt_token_ids: number[];
  max_tokens: number;
}

const VOCABULARY = 128_256;
/** Output tokens per chunk: some four results for each request. */
const EVERY = 64;
/** Results that carry no output are not announced by the codec. */
const LOOK_MS = 20;

class DemoNode {
  readonly #settings: NodeSettings;
  readonly #history: HistoryWriter<Happening>;
  readonly #engine: EmulatedEngine;
  #scheduler: Scheduler<LlmRequest, Output> | undefined;
  #looking: NodeJS.Timeout | undefined;
  #served: Promise<void> | undefined;

  constructor(settings: NodeSettings) {
    this.#settings = settings;
    this.#history = new HistoryWriter(settings.history);
    this.#engine = new EmulatedEngine({ timeScale: settings.timeScale });
  }

  async start(): Promise<void> {
    this.#scheduler = await Scheduler.start<LlmRequest, Output>({
      ...this.#settings.scheduler,
      outputCodec: this.#announcing(jsonCodec<Output>()),
      onWarning: (message) => this.#history.write({ what: 'warned', message }),
    });
    this.#looking = setInterval(() => this.#collect(), LOOK_MS);
    this.#served = this.#scheduler.run((claimed) => this.#execute(claimed), {
      budget: this.#engine,
    });
  }

  async put(arrivals: readonly Arrival[]): Promise<void> {
    const requests = arrivals.map(({ id, promptTokens, outputTokens }) => ({
      request_id: id,
      prompt_token_ids: prompt(id, promptTokens),
      max_tokens: outputTokens,
    }));
    for (const { id, error } of await this.#scheduler!.putRequests(requests)) {
      if (error) this.#history.write({ what: 'refused', id, code: error.code, reason: error.message });
      else this.#history.write({ what: 'accepted', id });
    }
  }

  async close(): Promise<void> {
    await this.#scheduler?.close();
    await this.#served;
    clearInterval(this.#looking);
    this.#engine.close();
    this.#collect();
    this.#history.close();
  }

  async *#execute({
    request,
    owner,
    attempt,
    signal,
  }: ClaimedRequest<LlmRequest>): AsyncGenerator<Output, Output, undefined> {
    const { request_id: id, prompt_token_ids: tokens, max_tokens: outputTokens } = request;
    this.#history.write({ what: 'claimed', id, owner, attempt });
    let number = 0;
    let end: 'done' | 'stopped' = 'stopped';
    try {
      const work = this.#engine.run(tokens.length, outputTokens, { signal, every: EVERY });
      for (let step = await work.next(); ; step = await work.next()) {
        const output = { id, attempt, number: ++number, tokens: step.value.tokens };
        if (!step.done) {
          yield output;
          continue;
        }
        end = 'done';
        return output;
      }
    } finally {
      // `return` waits for this: `done` is written before the final is sent
      this.#history.write({ what: end, id, owner, attempt });
    }
  }

  /** getResults has to be asked: the codec sees a result when the scheduler takes it, and it is asked right after. */
  #announcing(codec: Codec<Output>): Codec<Output> {
    return {
      encode: (output) => codec.encode(output),
      decode: (bytes) => {
        queueMicrotask(() => this.#collect());
        return codec.decode(bytes);
      },
    };
  }

  /** The clients of this node are told. */
  #collect(): void {
    for (const [id, results] of this.#scheduler?.getResults() ?? []) {
      for (const result of results) this.#history.write({ what: 'told', id, ...result });
    }
  }
}

/** Token ids as a tokenizer might give them, the same for the same request. */
function prompt(id: string, length: number): number[] {
  let state = Buffer.from(id).reduce((sum, byte) => (sum * 31 + byte) >>> 0, 7);
  return Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state % VOCABULARY;
  });
}

function tell(report: Report): void {
  process.send?.(report);
}

let node: DemoNode | undefined;

async function obey(order: Order): Promise<void> {
  if (order.order === 'start') {
    node = new DemoNode(order.settings);
    await node.start();
    tell({ report: 'ready' });
  } else if (order.order === 'put') {
    await node?.put(order.arrivals);
  } else {
    await node?.close();
    process.disconnect();
  }
}

process.on('message', (order: Order) => {
  obey(order).catch((error: unknown) => {
    tell({ report: 'failed', reason: messageOf(error) });
  });
});
// Ctrl-C reaches the whole process group, and the parent decides when we end
process.on('SIGINT', () => undefined);
// without the parent there is nothing to live for; a disconnect of our own ends us by itself, this is for others
process.on('disconnect', () => process.exit());
