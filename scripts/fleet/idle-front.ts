/**
 * What a front costs beside an idle engine: from a put to its result, against an owner that has the engine itself. The handler
 * answers at once, so all of it is the scheduler's, in real ms. Both by turns, as a busy machine slows both down.
 */
import { Scheduler, type Budget, type StealPolicy } from '../../src/index.ts';
import { median } from '../lib/measure/statistics.ts';
import { newTopic, removeKeys } from '../lib/redis/topics.ts';

/** Medians, real ms. */
export interface IdleDelay {
  front: number;
  owner: number;
}

interface Asked {
  request_id: string;
  prompt_token_ids: number[];
}

const SAMPLES = 200;
/** Scripts and connections are used for the first time. */
const WARM = 20;
const BUDGET: Budget = {
  ...{ availableBlocks: 640, blockSize: 16, reservedOutputBlocks: 4, maxNumBatchedTokens: 8_192, batch: 8 },
};

export class IdleFront {
  readonly #redis: string;
  readonly #policy: StealPolicy;
  /** The front and its engine; the owner has none to share with. */
  readonly #topics = { front: newTopic('fleet'), owner: newTopic('fleet') };
  readonly #schedulers: Scheduler<Asked>[] = [];
  #started: Promise<unknown> = Promise.resolve();
  #ended = false;

  constructor(redis: string, policy: StealPolicy) {
    this.#redis = redis;
    this.#policy = policy;
  }

  /** @throws why it could not be measured; CLOSED if it was ended */
  async go(): Promise<IdleDelay> {
    const { front: shared, owner: own } = this.#topics;
    const starts = [this.#start(shared, 'front'), this.#start(shared, 'engine'), this.#start(own, 'owner')];
    this.#started = Promise.allSettled(starts);
    const [front, engine, owner] = (await Promise.all(starts)) as [Asker, Asker, Asker];
    const served = [engine, owner].map((node) => node.run(() => undefined, { budget: BUDGET }));
    for (const one of served) one.catch(() => undefined);
    const [ofFront, ofOwner]: [number[], number[]] = [[], []];
    for (let i = 0; i < WARM + SAMPLES; i += 1) {
      ofFront.push(await timed(front, i));
      ofOwner.push(await timed(owner, i));
    }
    return { front: median(ofFront.slice(WARM)), owner: median(ofOwner.slice(WARM)) };
  }

  async #start(topic: string, node: string): Promise<Asker> {
    const { redis, policy } = { redis: this.#redis, policy: this.#policy };
    const scheduler = await Scheduler.start<Asked>({
      redis,
      topic,
      node,
      policy,
      onWarning: () => undefined,
    });
    this.#schedulers.push(scheduler);
    return scheduler;
  }

  /** Nothing of it stays. May be called at any time, and again. */
  async end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#started;
    await Promise.allSettled(this.#schedulers.map((scheduler) => scheduler.close()));
    for (const topic of Object.values(this.#topics)) await removeKeys(this.#redis, topic);
  }
}

type Asker = Scheduler<Asked>;

async function timed(node: Asker, id: number): Promise<number> {
  const from = performance.now();
  await node.submit({ request_id: String(id), prompt_token_ids: [1] }).result();
  return performance.now() - from;
}
