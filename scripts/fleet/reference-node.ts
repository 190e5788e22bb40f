/**
 * A node with the reference's algorithm. Its engine's loop is the reference's: while there is room, it asks for at
 * most three requests (MAX_PREFILL_NUM), and the budget that admits them is one of blocks alone, as its newer engine
 * loop gives it (maxNumBatchedTokens is the longest prompt); a tighter one would push back, and so reverse, the more.
 */
import { admit } from '../../src/base/budget.ts';
import { sleep } from '../../src/base/clock.ts';
import { messageOf } from '../../src/base/errors.ts';
import { Reference, REFERENCE_TIMES, type Element } from '../lib/reference/reference.ts';
import { LiveEngine } from './live-engine.ts';
import { nameOf, type FleetNode, type NodeContext } from './node.ts';

interface Replayed extends Element {
  id: number;
}

/** To the owner: this request has ended. */
interface Reply {
  id: number;
}

const MAX_PREFILL = 3;

export async function startReference(node: number, context: NodeContext): Promise<FleetNode> {
  const { block, resultsBlock, keepAlive } = REFERENCE_TIMES;
  const { redis, topic, clock } = context;
  const scheduler = new Reference<Replayed, Reply>({
    ...{ redis, topic, node: nameOf(node) },
    times: {
      block: block * clock.scale,
      resultsBlock: resultsBlock * clock.scale,
      keepAlive: Math.max(2, Math.ceil(keepAlive * clock.scale)),
    },
  });
  await scheduler.start();
  return new ReferenceNode(node, context, scheduler);
}

class ReferenceNode implements FleetNode {
  readonly #context: NodeContext;
  readonly #scheduler: Reference<Replayed, Reply>;
  readonly #engine: LiveEngine;
  readonly #owners = new Map<number, string>();
  readonly #loops: Promise<void>[];
  #closed = false;

  constructor(node: number, context: NodeContext, scheduler: Reference<Replayed, Reply>) {
    const { onEnd } = context;
    this.#context = context;
    this.#scheduler = scheduler;
    this.#engine = new LiveEngine(node, context, (id) => this.#finish(id));
    this.#loops = [
      scheduler.loop(() => scheduler.stayAlive()),
      scheduler.loop(async () => (await scheduler.takeReplies()).forEach(({ id }) => onEnd(id))),
      scheduler.loop(() => this.#serve()),
    ];
  }

  async put(id: number): Promise<void> {
    await this.#scheduler.put([{ owner: this.#scheduler.node, id }]);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#engine.close();
    this.#scheduler.close();
    await Promise.all(this.#loops);
  }

  async #serve(): Promise<void> {
    await this.#engine.whenOpen();
    if (this.#closed) return;
    const { journeys } = this.#context.history;
    const admitted = await this.#scheduler.get(Math.min(MAX_PREFILL, this.#engine.room().batch), (popped) =>
      admit(
        popped.map(({ id }) => journeys[id]!.promptTokens),
        { ...this.#engine.room(), maxNumBatchedTokens: Infinity },
      ),
    );
    for (const { id, owner } of admitted) this.#owners.set(id, owner);
    this.#engine.enter(admitted.map(({ id }) => id));
    // the reference's engine loop sleeps so long when it got nothing
    if (admitted.length === 0) await sleep(1);
  }

  #finish(id: number): void {
    const owner = this.#owners.get(id)!;
    this.#owners.delete(id);
    if (owner === this.#scheduler.node) this.#context.onEnd(id);
    else
      this.#scheduler.reply(owner, { id }).catch((error: unknown) => {
        this.#context.onFailure(new Error(`the result of request ${id} was lost: ${messageOf(error)}`));
      });
  }
}
