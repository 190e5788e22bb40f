import { randomUUID } from 'node:crypto';
import { timedOut, within } from '../base/clock.ts';
import { ConfigError, SchedulerError } from '../base/errors.ts';
import { otherSchema, shardOf, slotOf } from '../base/keys.ts';
import type { Rules } from '../base/options.ts';
import { NO_TICK, laterTick, type Tick } from '../base/ticket.ts';
import type { RegisterAction, RegisterAnswer, RegisterCall, Registry } from './register.ts';
import type { EngineDown } from './registration.ts';
import { Resend } from './resend.ts';
import { Troubles, type Place } from './troubles.ts';

/** Names tried in one call: `name`, `name:1`, … as the reference does. */
const CANDIDATES = 16;

/** By how many shards a node's home goes, and which it is. */
export interface Placing {
  loadShards: number;
  home: number;
}

/**
 * This process' place in the topic: name, epoch and instance. An EVICTED answer is contested at the registry: if this
 * instance still holds the name (after a rollback of Redis, or a step of its clock) it goes on under a higher epoch, else
 * it is over.
 */
export class Membership {
  name = '';
  epoch: Tick = NO_TICK;
  home = 0;
  /** The highest loadShards that any node of the topic ever gave. */
  shardsInUse = 1;
  /** Tokens of the largest prompt that this node's engine can ever hold; undefined: it has none. Told with each renewal. */
  engine: number | undefined;
  /** The breaker of this node's engine is open. Told with each renewal. */
  down: EngineDown | undefined;
  /** What this node tells of itself, see card.ts. Told with each renewal; empty: nothing. Must not throw. */
  card: () => string = () => '';
  /** What Redis has not answered, for warnings and TIMEOUTs. */
  readonly troubles: Troubles;
  readonly #place: Place;
  readonly #instance = randomUUID();
  readonly #registry: Registry;
  readonly #rules: Rules;
  readonly #resend = new Resend((standing) => this.#contest(standing));
  #loadShards: number;
  #contested: Promise<boolean> | undefined;

  constructor(registry: Registry, rules: Rules) {
    this.#registry = registry;
    this.#rules = rules;
    this.#loadShards = rules.loadShards;
    this.troubles = new Troubles((message) => this.over.aborted || rules.onWarning(message));
    this.#place = this.troubles.place(`registry (slot ${slotOf(rules.topic)})`);
  }

  /** Fires with a SchedulerError (CLOSED or EVICTED) when this node is over. */
  get over(): AbortSignal {
    return this.#resend.over;
  }

  /**
   * Nobody waits for it: it is a front, which has never asked for work, or its engine is down. Its requests are taken at once by
   * who has room (lua/README.md#fronts).
   */
  get keepsNone(): boolean {
    return this.engine === undefined || this.down !== undefined;
  }

  /** The node is over: what waits for an answer rejects with the reason. */
  end(reason: SchedulerError): void {
    this.#resend.end(reason);
  }

  /** Sends until it is answered; see {@link Resend.answered}. */
  answered<T>(
    operation: string,
    send: (alone: boolean) => Promise<T>,
    unanswered?: (reason: string) => void,
  ): Promise<T> {
    return this.#resend.answered(operation, send, unanswered);
  }

  /** What the promise gives, or TIMEOUT after commandTimeout; the call behind the promise goes on. */
  within<T>(operation: string, promise: Promise<T>): Promise<T> {
    return within(this.#rules.commandTimeout, operation, promise, () => this.#trouble());
  }

  /** What a call rejects with that has waited for commandTimeout. */
  timedOut(operation: string): SchedulerError {
    return timedOut(this.#rules.commandTimeout, operation, this.#trouble());
  }

  #trouble(): Error | undefined {
    const cause = this.#registry.trouble();
    const known = this.troubles.known;
    if (cause) known.push(cause.message);
    return known.length === 0 ? undefined : new Error(known.join('; '), { cause });
  }

  /**
   * Takes the name, or the first free of `name:1`, `name:2` …; with `takeover` the name itself, even if another holds it.
   * @throws ConfigError loadUnit if the topic's load is in another unit; SchedulerError CONFIG if it is of another schema
   */
  async take(): Promise<void> {
    const { node, takeover } = this.#rules;
    for (let first = 0; this.name === ''; first += CANDIDATES) {
      const names = takeover ? [node] : candidates(node, first);
      const homes = new Map(names.map((name) => [name, shardOf(name, this.#loadShards)]));
      await this.#takeOneOf(homes, takeover ? 'over' : 'take');
    }
  }

  /** Leaves `name` empty if others hold all of them. */
  async #takeOneOf(names: ReadonlyMap<string, number>, action: 'take' | 'over'): Promise<void> {
    let answer = await this.#register(action, names);
    if (answer.status === 'UNIT') {
      const use = answer.living === '' ? await this.#waits(answer.shards) : `node ${answer.living} uses it`;
      if (use !== undefined) throw this.#otherUnit(answer.unit, use);
      answer = await this.#register(action, names, { empty: true });
      // meanwhile another node came, with the old unit
      if (answer.status === 'UNIT') throw this.#otherUnit(answer.unit, `node ${answer.living} uses it`);
    }
    if (answer.status !== 'OK') return;
    this.home = names.get(answer.name)!;
    this.#goOn(answer);
  }

  /** Keeps the name; false if another instance holds it now. */
  renew(): Promise<boolean> {
    return this.#renew(NO_TICK);
  }

  async leave(): Promise<void> {
    await this.#register('leave', this.#own);
  }

  /** Tells the registry. Nothing has changed here until `move` does. */
  async announce({ loadShards, home }: Placing): Promise<void> {
    const answer = await this.#register('renew', new Map([[this.name, home]]), { loadShards });
    if (answer.status === 'OK') this.#goOn(answer);
    else this.evicted();
  }

  /** From now on this node puts and listens by these shards. */
  move({ loadShards, home }: Placing): void {
    this.#loadShards = loadShards;
    this.shardsInUse = Math.max(this.shardsInUse, loadShards);
    this.home = home;
  }

  get #own(): ReadonlyMap<string, number> {
    return new Map([[this.name, this.home]]);
  }

  evicted(): void {
    this.end(new SchedulerError('EVICTED', 'renew', `another instance took the name ${this.name}`));
  }

  /** An epoch of this name stands. True: go on under a higher one. False: this node was taken over, `over` has fired. */
  #contest(standing: Tick): Promise<boolean> {
    this.#contested ??= this.#settle(standing).finally(() => (this.#contested = undefined));
    return this.#contested;
  }

  async #settle(standing: Tick): Promise<boolean> {
    if (this.epoch > standing) return true;
    if (await this.#renew(laterTick(standing, this.epoch))) return true;
    this.evicted();
    return false;
  }

  async #renew(above: Tick): Promise<boolean> {
    const answer = await this.#register('renew', this.#own, { above });
    if (answer.status !== 'OK') return false;
    this.#goOn(answer);
    return true;
  }

  #goOn({ name, epoch, shards }: RegisterAnswer & { status: 'OK' }): void {
    this.name = name;
    this.epoch = epoch;
    this.shardsInUse = Math.max(this.#loadShards, shards);
  }

  /** @param more `empty`: this process has seen that nothing waits in the topic */
  async #register(
    action: RegisterAction,
    names: ReadonlyMap<string, number>,
    more: Partial<RegisterCall> = {},
  ): Promise<RegisterAnswer> {
    const send = (): Promise<RegisterAnswer> =>
      this.#registry.register({
        action,
        names,
        instance: this.#instance,
        above: NO_TICK,
        epoch: this.name === '' ? '' : this.epoch,
        loadShards: this.#loadShards,
        empty: false,
        engine: this.engine,
        down: this.down,
        card: action === 'leave' ? '' : this.card(),
        ...more,
      });
    const answer = await this.#place.watch('register', (tell) => this.answered('register', send, tell));
    if (answer.status !== 'SCHEMA') return answer;
    throw new SchedulerError('CONFIG', 'start', otherSchema(this.#rules.topic, answer.schema));
  }

  #otherUnit(unit: string, use: string): ConfigError {
    const allowed = `"${unit}", the unit of topic ${this.#rules.topic}: ${use}`;
    return new ConfigError('loadUnit', this.#rules.loadUnit, allowed);
  }

  /** Where a request waits in the topic, or undefined. */
  async #waits(shards: number): Promise<string | undefined> {
    for (let shard = 0; shard < shards; shard += 1) {
      const count = await this.answered('start', () => this.#registry.waitingIn(shard));
      if (count > 0) return `${count} requests wait in shard ${shard}`;
    }
    return undefined;
  }
}

/** `name`, `name:1`, `name:2` …, from the given one on. */
function candidates(name: string, first: number): string[] {
  return Array.from({ length: CANDIDATES }, (_, i) => (first + i === 0 ? name : `${name}:${first + i}`));
}
