import { SchedulerError } from '../../base/errors.ts';
import type { Link, LinkContext } from '../../node/link.ts';
import type { Rings } from '../../node/wakeup.ts';
import { Membership } from '../../protocol/membership.ts';
import type { RegisterCall } from '../../protocol/register.ts';
import type { Shards } from '../../protocol/shards.ts';
import type { MemoryTopic } from './memory-topic.ts';
import { NodeShard } from './node-shard.ts';

/** By what a node reaches a topic in memory. */
export class MemoryLink implements Link {
  readonly membership: Membership;
  readonly shards: Shards;
  readonly lookout: Link['lookout'];
  readonly engines: Link['engines'];
  readonly #topic: MemoryTopic;
  readonly #context: LinkContext;
  readonly #onClose: () => void;

  constructor(context: LinkContext, topic: MemoryTopic, onClose: () => void) {
    const { rules } = context;
    this.#context = context;
    this.#topic = topic;
    this.#onClose = onClose;
    const membership = new Membership(
      {
        register: (call: RegisterCall) => Promise.resolve(topic.register(rules, call)),
        waitingIn: (shard) => Promise.resolve(topic.shard(shard).waiting),
        trouble: () => undefined,
      },
      rules,
    );
    this.membership = membership;
    const made = new Map<number, NodeShard>();
    this.shards = {
      get: (number) => {
        let shard = made.get(number);
        if (!shard) made.set(number, (shard = new NodeShard(topic.shard(number), membership, context)));
        return shard;
      },
      all: () => [...made.values()],
    };
    this.lookout = {
      look: (shards, found) => {
        for (const shard of shards) if (topic.shard(shard).waiting > 0) found(shard);
      },
    };
    const largest = (): number => topic.largestPrompt(membership.name, rules);
    this.engines = {
      mayHold: (tokens) => tokens <= largest(),
      refusal: (tokens) => Promise.resolve(tokens > largest() ? largest() : undefined),
      ofOthers: () => Promise.resolve(topic.largestOfOthers(membership.name, false)),
      read: () => Promise.resolve(true),
    };
  }

  ready(): Promise<void> {
    return Promise.resolve();
  }

  check(): Promise<void> {
    return Promise.resolve();
  }

  listen(rings: Rings): Promise<void> {
    const { teller } = this.#context;
    const told = (what: 'claim' | 'results' | 'refresh' | 'halt', shard: number, delayMs = 0): void =>
      teller.heard('ring')?.({ what, shard, delayMs });
    this.#topic.listen(this.membership.name, {
      claim: (shard, delayMs) => {
        told('claim', shard, delayMs);
        rings.claim(shard, delayMs);
      },
      results: (shard) => {
        told('results', shard);
        rings.results(shard);
      },
      refresh: (shard) => {
        told('refresh', shard);
        rings.refresh(shard);
      },
      halt: (shard, fence, ms) => {
        told('halt', shard, ms);
        rings.halt(shard, fence, ms);
      },
    });
    rings.subscribed();
    return Promise.resolve();
  }

  connections(): Record<string, never> {
    return {};
  }

  close(): void {
    this.#onClose();
  }

  get topic(): string {
    return this.#context.rules.topic;
  }

  /** The node ends in the middle of whatever it does. */
  kill(): void {
    const { name, epoch } = this.membership;
    this.membership.end(new SchedulerError('CLOSED', 'kill', `node ${name} was killed`));
    this.#topic.kill(name, epoch);
  }
}
