import { OPEN_LINK, type StandIn } from '../../base/stand-in.ts';
import type { LinkContext, OpenLink } from '../../node/link.ts';
import { MemoryLink } from './memory-link.ts';
import { MemoryTopic } from './memory-topic.ts';

/** A `Scheduler`, whatever its requests and outputs are. */
interface StartedNode {
  readonly topic: string;
  readonly node: string;
}

/**
 * Stands in for Redis in unit tests: given as `redis` to `Scheduler.start`, it lets schedulers share their topics in the memory of
 * this process. Nothing else of the code under test changes: the schedulers are the real ones. docs/testing.md says what is the
 * same as with Redis, and what is not.
 *
 * It opens nothing, and needs no end of its own. Two of them share nothing.
 *
 * @experimental
 */
export class InProcessRedis implements StandIn, Disposable {
  readonly #topics = new Map<string, MemoryTopic>();
  readonly #links = new Set<MemoryLink>();

  /** Used by the scheduler alone. */
  get [OPEN_LINK](): OpenLink {
    return (context) => this.#open(context);
  }

  #open(context: LinkContext): MemoryLink {
    const { topic: name } = context.rules;
    let topic = this.#topics.get(name);
    if (!topic) this.#topics.set(name, (topic = new MemoryTopic()));
    const link = new MemoryLink(context, topic, () => this.#links.delete(link));
    this.#links.add(link);
    return link;
  }

  /**
   * Kills a node, as SIGKILL does its process: `over` fires, its handlers are aborted, what it submitted rejects with CLOSED.
   * What it held returns to its place at once, with one try fewer; what it put waits for its peers, and its results for a
   * successor of its name.
   * @throws Error if no such node runs here
   */
  kill({ topic, node }: StartedNode): void {
    const link = [...this.#links].find((one) => one.topic === topic && one.membership.name === node);
    if (!link) throw new Error(`no node ${node} of the topic ${topic} runs here`);
    link.kill();
  }

  /** Kills every node that still runs, and forgets every topic: for the end of a test. */
  clear(): void {
    for (const link of [...this.#links]) link.kill();
    this.#topics.clear();
  }

  /** The same as {@link clear}, for `using`. */
  [Symbol.dispose](): void {
    this.clear();
  }
}
