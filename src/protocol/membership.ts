import { randomUUID } from 'node:crypto';
import { within } from '../base/clock.ts';
import { ConfigError, SchedulerError } from '../base/errors.ts';
import { shardKey, shardOf } from '../base/keys.ts';
import type { Rules } from '../base/options.ts';
import { NO_TICK, laterTick, type Tick } from '../base/ticket.ts';
import { troubleOf } from '../redis/connection.ts';
import type { Client } from '../redis/run-script.ts';
import { register, type RegisterAction, type RegisterAnswer } from './register.ts';
import { Resend } from './resend.ts';

/** Names tried in one call: `name`, `name:1`, … as the reference does. */
const CANDIDATES = 16;
/** Schema of the tables that this version reads and writes. */
const SCHEMA = 1;

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
  readonly #instance = randomUUID();
  readonly #client: Client;
  readonly #rules: Rules;
  readonly #resend = new Resend((standing) => this.#contest(standing));
  #loadShards: number;
  #contested: Promise<boolean> | undefined;

  constructor(client: Client, rules: Rules) {
    this.#client = client;
    this.#rules = rules;
    this.#loadShards = rules.loadShards;
  }

  /** Fires with a SchedulerError (CLOSED or EVICTED) when this node is over. */
  get over(): AbortSignal {
    return this.#resend.over;
  }

  /** The node is over: what waits for an answer rejects with the reason. */
  end(reason: SchedulerError): void {
    this.#resend.end(reason);
  }

  /** Sends until it is answered; see {@link Resend.answered}. */
  answered<T>(operation: string, send: () => Promise<T>, unanswered?: (reason: string) => void): Promise<T> {
    return this.#resend.answered(operation, send, unanswered);
  }

  /** What the promise gives, or TIMEOUT after commandTimeout; the call behind the promise goes on. */
  within<T>(operation: string, promise: Promise<T>): Promise<T> {
    return within(this.#rules.commandTimeout, operation, promise, () => troubleOf(this.#client));
  }

  /**
   * Takes the name, or the first free of `name:1`, `name:2` …; with `takeover` the name itself, even if another holds it.
   * @throws ConfigError loadUnit if the topic's load is in another unit; SchedulerError CONFIG if it is of another schema
   */
  async take(): Promise<void> {
    const { node, takeover } = this.#rules;
    for (let first = 0; this.name === ''; first += CANDIDATES) {
      const names = takeover ? [node] : candidates(node, first);
      await this.#takeOneOf(names, takeover ? 'over' : 'take');
    }
  }

  /** Leaves `name` empty if others hold all of them. */
  async #takeOneOf(names: readonly string[], action: 'take' | 'over'): Promise<void> {
    let answer = await this.#register(action, names);
    if (answer.status === 'UNIT') {
      const use = answer.living === '' ? await this.#waits(answer.shards) : `node ${answer.living} uses it`;
      if (use !== undefined) throw this.#otherUnit(answer.unit, use);
      answer = await this.#register(action, names, NO_TICK, true);
      // meanwhile another node came, with the old unit
      if (answer.status === 'UNIT') throw this.#otherUnit(answer.unit, `node ${answer.living} uses it`);
    }
    if (answer.status !== 'OK') return;
    this.home = shardOf(answer.name, this.#loadShards);
    this.#goOn(answer);
  }

  /** Keeps the name; false if another instance holds it now. */
  renew(): Promise<boolean> {
    return this.#renew(NO_TICK);
  }

  async leave(): Promise<void> {
    await this.#register('leave', [this.name]);
  }

  reshard(loadShards: number, reallocate: boolean): void {
    this.#loadShards = loadShards;
    this.shardsInUse = Math.max(this.shardsInUse, loadShards);
    if (reallocate) this.home = shardOf(this.name, loadShards);
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
    const answer = await this.#register('renew', [this.name], above);
    if (answer.status !== 'OK') return false;
    this.#goOn(answer);
    return true;
  }

  #goOn({ name, epoch, shards }: RegisterAnswer & { status: 'OK' }): void {
    this.name = name;
    this.epoch = epoch;
    this.shardsInUse = Math.max(this.#loadShards, shards);
  }

  /** @param empty this process has seen that nothing waits in the topic */
  async #register(
    action: RegisterAction,
    names: readonly string[],
    above = NO_TICK,
    empty = false,
  ): Promise<RegisterAnswer> {
    const answer = await this.answered('register', () =>
      register(this.#client, this.#rules, {
        action,
        instance: this.#instance,
        above,
        epoch: this.name === '' ? '' : this.epoch,
        loadShards: this.#loadShards,
        names,
        empty,
      }),
    );
    if (answer.status !== 'SCHEMA') return answer;
    const message = `topic ${this.#rules.topic} is of schema ${answer.schema}; this version reads schema ${SCHEMA}`;
    throw new SchedulerError('CONFIG', 'start', message);
  }

  #otherUnit(unit: string, use: string): ConfigError {
    const allowed = `"${unit}", the unit of topic ${this.#rules.topic}: ${use}`;
    return new ConfigError('loadUnit', this.#rules.loadUnit, allowed);
  }

  /** Where a request waits in the topic, or undefined. */
  async #waits(shards: number): Promise<string | undefined> {
    for (let shard = 0; shard < shards; shard += 1) {
      const key = shardKey(this.#rules.topic, shard, 'waiting');
      const count = await this.answered('start', () => this.#client.zcard(key));
      if (count > 0) return `${count} requests wait in shard ${shard}`;
    }
    return undefined;
  }
}

/** `name`, `name:1`, `name:2` …, from the given one on. */
function candidates(name: string, first: number): string[] {
  return Array.from({ length: CANDIDATES }, (_, i) => (first + i === 0 ? name : `${name}:${first + i}`));
}
