/** sched-lua as a peer of the chaos run. */
import { jsonCodec, Scheduler, SchedulerError, type Codec } from '../../src/index.ts';
import { News } from '../../src/results.ts';
import { Shard } from '../../src/shard.ts';
import { parseTicket } from '../../src/ticket.ts';
import type { HistoryWriter, Output } from './history.ts';
import {
  EVICTED_EXIT,
  type ChaosRequest,
  type Execute,
  type Peer,
  type PeerSettings,
  type PutRequest,
  type Refusal,
} from './peer.ts';

/** A name stands for so many leases without a renewal. */
const KEEP_ALIVE_LEASES = 2;
const TTL_MS = 120_000;
const COMMAND_TIMEOUT_MS = 4_000;
const TRIES = 6;

type ChaosScheduler = Scheduler<ChaosRequest, Output>;

/** Starts one; `over` in the history says that it was evicted. */
export async function startOurs(
  settings: PeerSettings,
  history: HistoryWriter,
  execute: Execute,
): Promise<Peer> {
  const peer = new Ours(history, execute);
  await peer.start(settings);
  return peer;
}

class Ours implements Peer {
  readonly #history: HistoryWriter;
  readonly #execute: Execute;
  #scheduler: ChaosScheduler | undefined;
  #served: Promise<void> | undefined;

  constructor(history: HistoryWriter, execute: Execute) {
    this.#history = history;
    this.#execute = execute;
    tapClaims(history);
    tapNews(() => this.#collect());
  }

  async start({ redis, topic, node, takeover, slots, leaseMs }: PeerSettings): Promise<void> {
    const scheduler: ChaosScheduler = await Scheduler.start({
      ...{ redis, topic, node, takeover, leaseMs },
      keepAliveMs: KEEP_ALIVE_LEASES * leaseMs,
      pollMs: 500,
      ttlMs: TTL_MS,
      commandTimeout: COMMAND_TIMEOUT_MS,
      tries: TRIES,
      outputCodec: this.#reading(jsonCodec<Output>()),
      onWarning: (message) => this.#history.write({ what: 'warned', message }),
    });
    this.#history.write({ what: 'started', node: scheduler.node, takeover });
    this.#scheduler = scheduler;
    this.#collect();
    scheduler.over.addEventListener('abort', () => {
      this.#collect();
      const { code } = scheduler.over.reason as SchedulerError;
      this.#history.write({ what: 'over', code });
      // a moment for what is pending to say so
      if (code === 'EVICTED') setTimeout(() => process.exit(EVICTED_EXIT), 50);
    });
    if (slots > 0) this.#serve(scheduler, slots);
  }

  get node(): string {
    return this.#scheduler!.node;
  }

  #serve(scheduler: ChaosScheduler, slots: number): void {
    const budget = {
      availableBlocks: slots * 4,
      blockSize: 16,
      reservedOutputBlocks: 1,
      maxNumBatchedTokens: 512,
      batch: slots,
    };
    this.#served = scheduler
      .run(
        ({ request, owner, claim, attempt, signal }) =>
          this.#execute({ request, owner, token: claim.split('.')[1]!, attempt, signal }),
        { budget },
      )
      // evicted: `over` says so
      .catch(() => undefined);
  }

  put(requests: readonly PutRequest[]): Promise<(Refusal | undefined)[]> {
    return Promise.all(requests.map((one) => (one.signal ? this.#submit(one) : this.#put(one))));
  }

  /** A put that timed out is put again, and adopted, until it is answered. */
  async #put({ request, priority, deadlineMs }: PutRequest): Promise<Refusal | undefined> {
    const options = { priority, ...(deadlineMs === undefined ? {} : { deadlineMs }) };
    for (;;) {
      try {
        const [outcome] = await this.#scheduler!.putRequests([request], options);
        if (!outcome!.error) return undefined;
        if (outcome!.error.code !== 'TIMEOUT') return refusal(outcome!.error);
      } catch (error) {
        if (!(error instanceof SchedulerError) || error.code !== 'TIMEOUT') return refusal(error);
      }
    }
  }

  /** It is written as accepted when it has ended: a submission tells its client of results only. */
  async #submit({ request, priority, deadlineMs, signal }: PutRequest): Promise<Refusal | undefined> {
    const options = { priority, ...(deadlineMs === undefined ? {} : { deadlineMs }), signal: signal! };
    const submission = this.#scheduler!.submit(request, options);
    try {
      for await (const result of submission)
        this.#history.write({ what: 'told', id: request.request_id, ...result });
      return undefined;
    } catch (error) {
      return refusal(error);
    }
  }

  async close(): Promise<void> {
    await this.#scheduler!.close({ drainMs: 2_000 });
    await this.#served;
    this.#collect();
  }

  /** A result is in the history before Redis hears that it was read. */
  #reading(codec: Codec<Output>): Codec<Output> {
    return {
      encode: (output) => codec.encode(output),
      decode: (bytes) => {
        const output = codec.decode(bytes);
        this.#history.write({ what: 'read', ...output });
        return output;
      },
    };
  }

  #collect(): void {
    for (const [id, results] of this.#scheduler?.getResults() ?? []) {
      for (const result of results) this.#history.write({ what: 'told', id, ...result });
    }
  }
}

function refusal(error: unknown): Refusal {
  if (error instanceof SchedulerError) return { code: error.code, reason: error.message };
  return { code: 'UNKNOWN', reason: String(error) };
}

/**
 * What Redis granted is more than what a handler gets: claims whose answer was lost come again without bodies and are
 * given back. The order of the line is proved on all of them.
 */
function tapClaims(history: HistoryWriter): void {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its shard below
  const claim = Shard.prototype.claim;
  Shard.prototype.claim = async function (this: Shard, item) {
    const answer = await claim.call(this, item);
    for (const { ticket, token, spent } of answer.claims) {
      const { id } = parseTicket(ticket);
      history.write({ what: 'granted', id, ticket, token, shard: this.number, spent });
    }
    return answer;
  };
}

/** `getResults` has to be asked: it is, as soon as there is something. */
function tapNews(collect: () => void): void {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its news below
  const sink = News.prototype.sink;
  News.prototype.sink = function (this: News<unknown>, id: string) {
    const own = sink.call(this, id);
    return {
      ...own,
      deliver: (result) => {
        own.deliver(result);
        queueMicrotask(collect);
      },
    };
  };
}
