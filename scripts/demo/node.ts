/** One node of the demo's fleet, in a process of its own: a scheduler, an emulated engine, and the clients' puts. */
import type { SchedulerOptions } from '../../src/index.ts';
import { EmulatedEngine } from '../../src/testing/engine/engine.ts';
import type { Happening } from '../lib/harness/happenings.ts';
import { HistoryWriter } from '../lib/harness/history.ts';
import type { Member } from '../lib/harness/member.ts';
import { obeyParent, type NodeSettings, type RunNode } from '../lib/harness/orders.ts';
import { startOurs } from '../lib/harness/ours.ts';
import { executeRecorded, putRecorded, type Peer, type RunRequest, type Task } from '../lib/harness/peer.ts';
import type { Fleet } from '../lib/harness/processes.ts';

/** A request as a client of this node brings it. */
export interface Arrival {
  id: string;
  promptTokens: number;
  outputTokens: number;
}

export interface DemoSettings extends NodeSettings {
  scheduler: Required<Pick<SchedulerOptions, 'topic' | 'policy' | 'leaseMs' | 'ttlMs'>> & { redis: string };
  /** Real ms per ms of the engine's model. */
  timeScale: number;
}

/** Clients of this node bring requests. */
export interface PutOrder {
  order: 'put';
  arrivals: Arrival[];
}

export type DemoFleet = Fleet<DemoSettings, PutOrder>;
export type DemoMember = Member<DemoSettings, PutOrder>;

/** What travels through Redis. */
interface LlmRequest extends RunRequest {
  max_tokens: number;
}

const VOCABULARY = 128_256;
/** Output tokens per chunk: some four results for each request. */
const EVERY = 64;

class DemoNode implements RunNode<PutOrder> {
  readonly #settings: DemoSettings;
  readonly #history: HistoryWriter<Happening>;
  readonly #engine: EmulatedEngine;
  #peer: Peer<LlmRequest> | undefined;

  constructor(settings: DemoSettings) {
    this.#settings = settings;
    this.#history = new HistoryWriter(settings.history);
    this.#engine = new EmulatedEngine({ timeScale: settings.timeScale });
  }

  async start(): Promise<string> {
    const { scheduler, node, takeover } = this.#settings;
    this.#peer = await startOurs<LlmRequest>({
      scheduler: { ...scheduler, node, takeover },
      history: this.#history,
      execute: (task) => executeRecorded(this.#history, task, this.#work(task)),
      budget: this.#engine,
    });
    return this.#peer.node;
  }

  async obey({ arrivals }: PutOrder): Promise<void> {
    const put = ({ id, promptTokens, outputTokens }: Arrival): Promise<void> => {
      const prompt_token_ids = prompt(id, promptTokens);
      const request = { request_id: id, prompt_token_ids, max_tokens: outputTokens };
      return putRecorded(this.#peer!, this.#history, [{ request }]);
    };
    await Promise.all(arrivals.map(put));
  }

  async close(): Promise<void> {
    await this.#peer?.close();
    this.#engine.close();
    this.#history.close();
  }

  async *#work({ request, promptTokens, signal }: Task<LlmRequest>) {
    const work = this.#engine.run(promptTokens, request.max_tokens, { signal, every: EVERY });
    for (;;) {
      const { value, done } = await work.next();
      const step = { tokens: value.tokens };
      if (done) return step;
      yield step;
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

obeyParent((settings: DemoSettings) => new DemoNode(settings));
