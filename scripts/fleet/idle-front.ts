/**
 * What a front costs beside an idle engine: from a put to its result, against an owner that has the engine itself, in real ms.
 * Once with a handler that answers at once, so that all of it is the scheduler's, once with a short generation. Front and
 * owner by turns, as a busy machine slows both down.
 */
import { Scheduler, type Budget, type StealPolicy } from '../../src/index.ts';
import { sleep } from '../../src/base/clock.ts';
import { median } from '../lib/measure/statistics.ts';
import { newTopic, removeKeys } from '../lib/redis/topics.ts';

/** Medians, real ms. */
export interface IdleDelay {
  /** What the handler takes. */
  generationMs: number;
  front: number;
  owner: number;
}

interface Asked {
  request_id: string;
  prompt_token_ids: number[];
}

/** The shortest answers of a real engine take longer. */
const GENERATIONS_MS = [0, 10];
const SAMPLES = 100;
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
  async go(): Promise<IdleDelay[]> {
    const { front: shared, owner: own } = this.#topics;
    const starts = [this.#start(shared, 'front'), this.#start(shared, 'engine'), this.#start(own, 'owner')];
    this.#started = Promise.allSettled(starts);
    const [front, engine, owner] = (await Promise.all(starts)) as [Asker, Asker, Asker];
    let generationMs = 0;
    const handler = (): unknown => (generationMs === 0 ? undefined : sleep(generationMs));
    const served = [engine, owner].map((node) => node.run(handler, { budget: BUDGET }));
    for (const one of served) one.catch(() => undefined);
    const delays: IdleDelay[] = [];
    for (generationMs of GENERATIONS_MS) {
      const [ofFront, ofOwner]: [number[], number[]] = [[], []];
      for (let i = 0; i < WARM + SAMPLES; i += 1) {
        ofFront.push(await timed(front, i));
        ofOwner.push(await timed(owner, i));
      }
      delays.push({ generationMs, front: median(ofFront.slice(WARM)), owner: median(ofOwner.slice(WARM)) });
    }
    return delays;
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
