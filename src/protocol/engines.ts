/**
 * The largest prompt that any living engine of the topic can ever hold, as the registry has it (lua/README.md#never-anywhere).
 * Each put asks, so it is remembered, and read again now and then while requests are put. What is remembered refuses nothing:
 * before a request is refused the registry is read, as an engine that can hold it may just have come.
 */
import { monotonic, soon } from '../base/clock.ts';
import type { Rules } from '../base/options.ts';
import type { Client } from '../redis/run-script.ts';
import type { Membership } from './membership.ts';
import { largestPromptOf, readRegistrations } from './registration.ts';

/** Least ms per registered node between two reads: so all nodes of a large topic read no more than those of a small one. */
const READ_MS_PER_NODE = 20;
/** While no engine is known, nothing is served that a read could hold up. */
const NOBODY_MS = 100;
/** A registry that does not answer for so long refuses nobody, and holds nobody up. */
const SLOW_MS = 2_000;
/** A claim waits no longer for it. */
const OTHERS_MS = 250;

type EnginesRules = Pick<Rules, 'topic' | 'policy' | 'pollMs'>;
type Member = Pick<Membership, 'name' | 'engine' | 'answered'>;

export class Engines {
  readonly #client: Client;
  readonly #rules: EnginesRules;
  readonly #member: Member;
  /** Of the other nodes; undefined: they have no engine. */
  #others: number | undefined;
  /** The same of those whose breakers are closed. */
  #othersUp: number | undefined;
  #readAgainAt = -Infinity;
  #reading: Promise<boolean> | undefined;
  #isSlow = false;

  constructor(client: Client, rules: EnginesRules, member: Member) {
    this.#client = client;
    this.#rules = rules;
    this.#member = member;
  }

  /** Whether an engine can hold so many tokens, as far as is remembered. If not, or if none is known, ask {@link refusal}. */
  mayHold(tokens: number): boolean {
    if (tokens <= (this.#member.engine ?? -1)) return true;
    const isOld = monotonic() >= this.#readAgainAt;
    if (this.#largest === Infinity) return this.#isSlow || !(isOld || this.#reading);
    if (isOld) void this.read();
    return tokens <= this.#largest;
  }

  /**
   * Reads the registry. Tokens of the largest prompt that a living engine can hold, if that is less than these; undefined: it
   * is not, or there is none, or `ms` have passed.
   */
  async refusal(tokens: number, ms: number): Promise<number | undefined> {
    const isRead = !this.#isSlow && (await soon(Math.min(ms, SLOW_MS), this.read()));
    this.#isSlow ||= isRead === undefined && ms >= SLOW_MS;
    return isRead && tokens > this.#largest ? this.#largest : undefined;
  }

  /** Whether it was read. Never rejects. */
  read(): Promise<boolean> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
      this.#isSlow = false;
    });
    return this.#reading;
  }

  /**
   * Tokens of the largest prompt that another node's engine can hold that is not down; -1: there is none. A claim waits for it.
   * @param afresh not what is remembered, if the registry answers soon
   */
  async ofOthers(afresh: boolean): Promise<number> {
    if (afresh || monotonic() >= this.#readAgainAt) await soon(OTHERS_MS, this.read());
    return this.#othersUp ?? -1;
  }

  /** Infinity: no engine is known, so that the request waits for one. */
  get #largest(): number {
    const { engine } = this.#member;
    // what a node of this policy accepts is run by its own engine
    if (engine !== undefined && this.#rules.policy === 'none') return engine;
    if (engine === undefined && this.#others === undefined) return Infinity;
    return Math.max(engine ?? 0, this.#others ?? 0);
  }

  async #read(): Promise<boolean> {
    const { topic, pollMs } = this.#rules;
    let wait = pollMs;
    try {
      const { nodes } = await this.#member.answered('look', () => readRegistrations(this.#client, topic));
      const others = nodes.filter(({ name }) => name !== this.#member.name);
      this.#others = largestPromptOf(others);
      this.#othersUp = largestPromptOf(others.filter(({ engine }) => !engine?.down));
      wait = Math.max(this.#largest === Infinity ? NOBODY_MS : pollMs, nodes.length * READ_MS_PER_NODE);
      return true;
    } catch {
      return false;
    } finally {
      this.#readAgainAt = monotonic() + wait;
    }
  }
}
