import { Agenda } from '../runner/agenda.ts';
import { Claims } from '../runner/claims.ts';
import { closeClient, openClient, ready, silenceMs } from '../redis/connection.ts';
import { SchedulerError, messageOf } from '../base/errors.ts';
import { Heartbeat } from './heartbeat.ts';
import { Membership } from '../protocol/membership.ts';
import type { Settings } from '../base/options.ts';
import { Owner } from '../owner/owner.ts';
import { ReplicatedPuts } from '../redis/wait-replicas.ts';
import type { Sink } from '../owner/results.ts';
import { Claimer } from '../runner/claimer.ts';
import type { Client } from '../redis/run-script.ts';
import { serverWarnings } from '../redis/suitability.ts';
import { Shard } from '../protocol/shard.ts';
import { Shards } from '../protocol/shards.ts';
import { Wakeup, type Rings } from './wakeup.ts';

/**
 * The parts of one node, wired to each other: its connections, its membership, its shards, what it does as an owner and
 * as a runner, its heartbeat and its wake-ups. It joins, it leaves, and it is over when its membership is.
 */
export class Node<Request, Output> {
  readonly membership: Membership;
  readonly owner: Owner<Output>;
  readonly claims: Claims<Request, Output>;
  readonly claimer: Claimer<Request, Output>;
  readonly #settings: Settings<Request, Output>;
  readonly #client: Client;
  readonly #subscriber: Client;
  readonly #shards: Shards;
  readonly #agenda: Agenda;
  readonly #heartbeat: Heartbeat;

  /** @param sinkOf where results of requests go that a predecessor put */
  constructor(settings: Settings<Request, Output>, sinkOf: (id: string) => Sink<Output>) {
    this.#settings = settings;
    this.#client = openClient(settings.redis, silenceMs(settings));
    this.#subscriber = openClient(settings.redis, silenceMs(settings));
    const membership = new Membership(this.#client, settings);
    this.membership = membership;
    const sides = { replication: this.#openReplication(), runner: () => this.claimer };
    this.#shards = new Shards((number) => new Shard(number, this.#client, membership, settings, sides));
    this.#agenda = new Agenda({ ...settings, home: 0, shards: 1 });
    this.owner = new Owner(this.#shards, membership, settings, settings.takeover ? sinkOf : undefined);
    this.claims = new Claims(membership, settings, this.owner);
    this.claimer = new Claimer(this.#shards, membership, settings, this.claims, this.#agenda);
    this.#heartbeat = new Heartbeat(this.#shards, membership, settings, this.owner, this.claims);
    this.claimer.beforeClaim = (shard) => this.#heartbeat.beforeClaim(shard);
    this.claimer.onDue = (shard, dueMs) => this.#heartbeat.due(shard, dueMs);
    membership.over.addEventListener('abort', () => this.#over(membership.over.reason as SchedulerError));
  }

  #openReplication(): ReplicatedPuts | undefined {
    const { redis, waitReplicas, scripts, onWarning } = this.#settings;
    if (!waitReplicas) return undefined;
    const client = openClient(redis, silenceMs(this.#settings) + waitReplicas.timeoutMs);
    this.membership.over.addEventListener('abort', () => closeClient(client));
    return new ReplicatedPuts(client, { waitReplicas, scripts, onWarning });
  }

  /** With `takeover` it has joined when every shard has heard of it. If it cannot, it is over. */
  async join(): Promise<void> {
    const { redis, commandTimeout } = this.#settings;
    try {
      await ready(this.#client, redis, commandTimeout);
      await this.membership.within('start', this.#join());
    } catch (error) {
      this.membership.end(
        new SchedulerError('CLOSED', 'start', 'the scheduler did not start', { cause: error }),
      );
      throw error;
    }
  }

  async #join(): Promise<void> {
    for (const warning of await serverWarnings(this.#client)) this.#settings.onWarning(warning);
    await this.membership.take();
    const { home, shardsInUse } = this.membership;
    this.#agenda.setShards(home, shardsInUse);
    const numbers = this.#settings.takeover ? Array.from({ length: shardsInUse }, (_, i) => i) : [home];
    const shards = numbers.map((number) => this.#shards.get(number));
    await Promise.all(shards.map((shard) => this.#heartbeat.refresh(shard)));
    await this.#listen(shards);
    this.#heartbeat.start();
  }

  /** @param shards where results may wait from before */
  async #listen(shards: readonly Shard[]): Promise<void> {
    const empty = (shard: Shard): void => this.#quietly('take_results', this.owner.mailbox(shard).empty());
    const rings: Rings = {
      claim: (number, delayMs) => this.claimer.ring(number, delayMs),
      results: (number) => empty(this.#shards.get(number)),
      refresh: (number) => this.#quietly('refresh', this.#heartbeat.refresh(this.#shards.get(number))),
      subscribed: () => {
        this.claimer.lookAround();
        for (const shard of new Set([...shards, ...this.owner.shardsInUse()])) empty(shard);
      },
    };
    const { topic } = this.#settings;
    const silence = silenceMs(this.#settings);
    await new Wakeup(this.#subscriber, topic, this.membership.name, rings, silence).subscribe();
  }

  #quietly(what: string, work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (!this.membership.over.aborted) this.#settings.onWarning(`${what}: ${messageOf(error)}`);
    });
  }

  /** From now on it puts and listens by these shards; see `Scheduler.updateConfig`. */
  async reshard(loadShards: number, reallocate: boolean): Promise<void> {
    this.membership.reshard(loadShards, reallocate);
    await this.membership.within('updateConfig', this.membership.renew());
    this.#agenda.setShards(this.membership.home, this.membership.shardsInUse);
    this.claimer.lookAround();
    await this.#heartbeat.refresh(this.#shards.get(this.membership.home));
  }

  /** Gives back what it holds, leaves `idle` and the registry, and is over, also if Redis does not answer. */
  async leave(pending: 'keep' | 'cancel'): Promise<void> {
    try {
      await this.membership.within('close', this.claims.giveBackAll());
      if (pending === 'cancel') await this.membership.within('close', this.owner.cancelAll());
      await this.membership.within('close', this.#sayGoodbye());
    } catch (error) {
      if (!this.membership.over.aborted)
        this.#settings.onWarning(`close: ${messageOf(error)}; what this node held returns after its lease`);
    }
    this.membership.end(new SchedulerError('CLOSED', 'close', `scheduler ${this.membership.name} is closed`));
  }

  async #sayGoodbye(): Promise<void> {
    const shards = this.#shards.all();
    await Promise.all(shards.map((shard) => this.claimer.passOn(shard)));
    await Promise.all(shards.map((shard) => shard.flushed()));
    await this.#heartbeat.stop();
    await this.membership.leave();
  }

  /** Resolves when nothing of it runs any more; it must be over. */
  ended(): Promise<void> {
    return this.#heartbeat.stop();
  }

  #over(reason: SchedulerError): void {
    this.claimer.stop();
    this.claims.abandon(reason);
    this.owner.close(reason);
    closeClient(this.#subscriber);
    closeClient(this.#client);
  }
}
