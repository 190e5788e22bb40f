import { randomUUID } from 'node:crypto';
import { backoff, sleep, within } from '../base/clock.ts';
import { troubleOf } from '../redis/connection.ts';
import { ConfigError, SchedulerError, messageOf } from '../base/errors.ts';
import { registryKeys, shardKey, shardOf } from '../base/keys.ts';
import type { Rules } from '../base/options.ts';
import { runScript, type Client } from '../redis/run-script.ts';
import { NO_TICK, laterTick, type Tick } from '../base/ticket.ts';

/** Names tried in one call: `name`, `name:1`, … as the reference does. */
const CANDIDATES = 16;

// What Redis says when it did not run the command: a resend is due, not an answer (DESIGN.md section 3).
const NO_ANSWER =
  /^(TRYAGAIN|MOVED|ASK|CLUSTERDOWN|LOADING|READONLY|NOREPLICAS|MASTERDOWN|BUSY|EXECABORT|UNKILLABLE)|^(Connection is closed|Stream isn't writeable|Command timed out|Command aborted|Reached the max retries|Socket timeout|Failed to refresh slots|None of startup nodes|Cluster isn't ready|Too many Cluster redirections|connect |read |write )/;

/** A script answered EVICTED: another epoch of this name stands. */
export class EvictedReply extends Error {
  readonly epoch: Tick;
  constructor(epoch: Tick) {
    super(`epoch ${epoch} stands`);
    this.epoch = epoch;
  }
}

/**
 * This process' place in the topic: name, epoch and instance. An EVICTED answer is contested at the registry: if this
 * instance still holds the name (a rollback, a clock step) it goes on under a higher epoch, else it is over.
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
  #loadShards: number;
  #contest: Promise<boolean> | undefined;
  readonly #over = new AbortController();
  /** Rejects, each, what waits for an answer. */
  readonly #waiting = new Set<(reason: SchedulerError) => void>();

  constructor(client: Client, rules: Rules) {
    this.#client = client;
    this.#rules = rules;
    this.#loadShards = rules.loadShards;
  }

  /** Fires with a SchedulerError (CLOSED or EVICTED) when this node is no more. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  end(reason: SchedulerError): void {
    this.#over.abort(reason);
    for (const reject of this.#waiting) reject(this.over.reason as SchedulerError);
    this.#waiting.clear();
  }

  /** Takes the name, or the first free of `name:1`, `name:2` …; with `takeover` the name itself. */
  async take(): Promise<void> {
    const { node, takeover } = this.#rules;
    for (let first = 0; ; first += CANDIDATES) {
      const names = takeover
        ? [node]
        : Array.from({ length: CANDIDATES }, (_, i) => (first + i === 0 ? node : `${node}:${first + i}`));
      if (await this.#register(takeover ? 'over' : 'take', names, NO_TICK)) return;
    }
  }

  /** Keeps the name; false if another instance holds it now. */
  renew(): Promise<boolean> {
    return this.#register('renew', [this.name], NO_TICK);
  }

  async leave(): Promise<void> {
    await this.#register('leave', [this.name], NO_TICK);
  }

  reshard(loadShards: number, reallocate: boolean): void {
    this.#loadShards = loadShards;
    this.shardsInUse = Math.max(this.shardsInUse, loadShards);
    if (reallocate) this.home = shardOf(this.name, loadShards);
  }

  /** @param empty this process has seen that nothing waits in the topic */
  async #register(action: string, names: readonly string[], above: Tick, empty = false): Promise<boolean> {
    const { topic, keepAliveMs, ttlMs, loadUnit, scripts } = this.#rules;
    const reply = await this.answered('register', () =>
      runScript(this.#client, scripts, 'register', registryKeys(topic), [
        action,
        this.#instance,
        '',
        String(keepAliveMs),
        String(ttlMs),
        above,
        this.name === '' ? '' : this.epoch,
        String(this.#loadShards),
        loadUnit,
        empty ? '1' : '',
        ...names.flatMap((name) => [name, String(shardOf(name, this.#loadShards))]),
      ]),
    );
    const [status, name, epoch, shards] = reply.map(String);
    if (status === 'SCHEMA') {
      throw new SchedulerError(
        'CONFIG',
        'start',
        `topic ${topic} is of schema ${name}; this version reads schema 1`,
      );
    }
    if (status === 'UNIT' && this.name === '') {
      const [, unit, living] = reply.map(String);
      const use = living ? `node ${living} uses it` : await this.#waits(Number(shards));
      if (!use) return this.#register(action, names, above, true);
      throw new ConfigError('loadUnit', loadUnit, `"${unit}", the unit of topic ${topic}: ${use}`);
    }
    if (status !== 'OK' || action === 'leave') return false;
    if (this.name === '') this.home = shardOf(name!, this.#loadShards);
    this.name = name!;
    this.epoch = epoch!;
    this.shardsInUse = Math.max(this.#loadShards, Number(shards));
    return true;
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

  /** True: go on under the new epoch. False: this node was taken over, `over` has fired. */
  contest(standing: Tick): Promise<boolean> {
    this.#contest ??= this.#settle(standing).finally(() => (this.#contest = undefined));
    return this.#contest;
  }

  async #settle(standing: Tick): Promise<boolean> {
    if (this.epoch > standing) return true;
    if (await this.#register('renew', [this.name], laterTick(standing, this.epoch))) return true;
    this.evicted();
    return false;
  }

  evicted(): void {
    this.end(new SchedulerError('EVICTED', 'renew', `another instance took the name ${this.name}`));
  }

  /** What the promise gives, or TIMEOUT after commandTimeout; the call behind the promise goes on. */
  within<T>(operation: string, promise: Promise<T>): Promise<T> {
    return within(this.#rules.commandTimeout, operation, promise, () => troubleOf(this.#client));
  }

  /** What the promise gives, or the reason why the node is over. No listener each: this is on every call's way. */
  #unlessOver<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      const settled = (): void => void this.#waiting.delete(reject);
      promise.then(
        (value) => {
          settled();
          resolve(value);
        },
        (error: unknown) => {
          settled();
          // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- whatever it was
          reject(error);
        },
      );
    });
  }

  /**
   * Sends until it is answered: what broke on the way is sent again, with backoff. Rejects with the reason when the
   * node is over, and with REDIS when Redis refuses.
   */
  async answered<T>(operation: string, send: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      if (this.over.aborted) throw this.over.reason;
      try {
        // a client that is cut off while it reconnects never answers what waits in it
        return await this.#unlessOver(send());
      } catch (error) {
        if (error instanceof EvictedReply) {
          if (!(await this.contest(error.epoch))) throw this.over.reason;
        } else if (error instanceof SchedulerError) {
          throw error;
        } else if (NO_ANSWER.test(messageOf(error))) {
          await sleep(backoff(attempt), this.over);
        } else {
          throw new SchedulerError('REDIS', operation, `Redis refused ${operation}: ${messageOf(error)}`, {
            cause: error,
          });
        }
      }
    }
  }
}
