import { monotonic, soon } from '../base/clock.ts';
import { SchedulerError, messageOf } from '../base/errors.ts';
import { shardOf } from '../base/keys.ts';
import type { Settings } from '../base/options.ts';
import { Teller } from '../observe/events.ts';
import { openLog, type Origin } from '../observe/log.ts';
import { Owner } from '../owner/owner.ts';
import type { Sink } from '../owner/results.ts';
import type { Membership } from '../protocol/membership.ts';
import type { EngineDown } from '../protocol/registration.ts';
import { parseCarried } from '../protocol/replies.ts';
import type { LocalClaims } from '../protocol/shard-calls.ts';
import type { Shard } from '../protocol/shard.ts';
import type { Shards } from '../protocol/shards.ts';
import { Agenda } from '../runner/agenda.ts';
import { Claimer, type ClaimerNode } from '../runner/claimer.ts';
import { Claims } from '../runner/claims.ts';
import { cardWriter, type Surroundings } from './card.ts';
import { endOf, healthOf, type SchedulerHealth } from './health.ts';
import { Heartbeat } from './heartbeat.ts';
import type { Link } from './link.ts';
import { openLink } from './redis-link.ts';
import type { Running, SchedulerStats } from './stats.ts';
import type { Rings } from './wakeup.ts';

/** How long a node that leaves waits for its shards before it leaves the registry. */
const PART_MS = 1_000;

/**
 * The parts of one node, wired to each other: its link, its membership, its shards, what it does as an owner and as a
 * runner, its heartbeat and its wake-ups. It joins, it leaves, and it is over when its membership is.
 *
 * The parts need each other in a circle: a shard asks the claimer at every put, the claimer asks the shards and the
 * heartbeat, the heartbeat asks owner, claims and shards. Each gets an object of functions that look the others up when
 * they are called (`#localClaims`, `#claimerNode`, `#rings`), so every part is made once, complete.
 */
export class Node<Request, Output> {
  readonly membership: Membership;
  readonly owner: Owner<Output>;
  readonly claims: Claims<Request, Output>;
  readonly claimer: Claimer<Request>;
  readonly teller: Teller;
  readonly #settings: Settings<Request, Output>;
  readonly #link: Link;
  readonly #shards: Shards;
  readonly #agenda: Agenda;
  readonly #heartbeat: Heartbeat;
  readonly #from = monotonic();
  #leftToOthers = 0;

  /** Tells the user, and whoever listens; never throws. */
  readonly warn: (message: string) => void;

  /** @param sinkOf where results of requests go that a predecessor put */
  constructor(
    given: Settings<Request, Output>,
    sinkOf: (id: string) => Sink<Output>,
    surroundings: () => Surroundings,
  ) {
    const origin = (): Origin => this.#origin();
    const { log, tell } = openLog(given, origin);
    this.teller = new Teller(given.events, origin, tell, log?.events);
    this.warn = (message) => {
      this.teller.heard('warning')?.({ message });
      tell(message);
    };
    const settings = { ...given, onWarning: this.warn };
    this.#settings = settings;
    this.#link = openLink({ rules: settings, teller: this.teller, localClaims: this.#localClaims() });
    this.membership = this.#link.membership;
    this.#shards = this.#link.shards;
    this.owner = new Owner(
      this.#shards,
      this.#link.engines,
      this.membership,
      settings,
      settings.takeover ? sinkOf : undefined,
      this.teller,
    );
    this.claims = new Claims(this.membership, settings, this.owner, this.teller);
    this.#agenda = new Agenda(this.membership, settings);
    this.claimer = new Claimer(this.#claimerNode(), settings, this.#agenda);
    this.#heartbeat = new Heartbeat(this.#shards, this.membership, settings, this.owner, this.claims);
    this.membership.card = cardWriter({
      ...{ rules: settings, membership: this.membership, teller: this.teller, claimer: this.claimer },
      counts: () => ({ pending: this.owner.counts().pending, held: this.claims.count }),
      surroundings,
    });
    const { over } = this.membership;
    over.addEventListener('abort', () => this.#over(over.reason as SchedulerError));
  }

  #localClaims(): LocalClaims {
    return {
      claimsBehind: (shard, tokens) => this.claimer.claimsBehind(shard, tokens),
      claimIfWaiting: (shard) => this.claimer.claimIfWaiting(shard),
      taken: (shard, fence) => this.claims.taken(shard, fence),
    };
  }

  #claimerNode(): ClaimerNode<Request> {
    const shardOf = (number: number): Shard => this.#shards.get(number);
    return {
      over: this.membership.over,
      timedOut: (operation) => this.membership.timedOut(operation),
      holdsAny: () => this.claims.count > 0,
      engineHolds: (tokens) => this.#engineHolds(tokens),
      elsewhereHold: () => this.#elsewhereHold(),
      beforeClaim: (shard) => this.#heartbeat.beforeClaim(shardOf(shard)),
      claim: (shard, item) => shardOf(shard).claim(item),
      look: (shards, found) => this.#link.lookout.look(shards, found),
      due: (shard, dueMs) => this.#heartbeat.due(shardOf(shard), dueMs),
      open: (shard, claimed) => this.claims.open(shardOf(shard), claimed),
      pushBack: (shard, claims) => this.claims.pushBack(shardOf(shard), claims),
    };
  }

  /** Asked for only once something was left to other engines, and afresh when more was. */
  #elsewhereHold(): Promise<number> | number {
    const { leftToOthers } = this.claims;
    const isMore = leftToOthers > this.#leftToOthers;
    this.#leftToOthers = leftToOthers;
    return leftToOthers > 0 ? this.#link.engines.ofOthers(isMore) : -1;
  }

  #engineHolds(tokens: number): void {
    if (this.membership.engine === tokens) return;
    this.membership.engine = tokens;
    this.tellCard();
  }

  /** Its breaker has opened, is open for longer, or (undefined) has closed: the first and the last are told at once. */
  engineDown(down: EngineDown | undefined): void {
    const isKnown = (this.membership.down === undefined) === (down === undefined);
    this.membership.down = down;
    if (!isKnown && !this.membership.over.aborted) this.tellCard();
  }

  /** Tells the registry at once what it would hear with the next renewal. */
  tellCard(): void {
    this.#quietly('register', this.#heartbeat.renew());
  }

  #origin(): Origin {
    return { topic: this.#settings.topic, node: this.membership.name };
  }

  /** With `takeover` it has joined when every shard has heard of it. If it cannot, it is over. */
  async join(): Promise<void> {
    try {
      await this.#link.ready();
      await this.membership.within('start', this.#join());
    } catch (error) {
      this.membership.end(
        new SchedulerError('CLOSED', 'start', 'the scheduler did not start', { cause: error }),
      );
      throw error;
    }
  }

  async #join(): Promise<void> {
    await this.#link.check();
    await this.membership.take();
    const { home, shardsInUse } = this.membership;
    const numbers = this.#settings.takeover ? Array.from({ length: shardsInUse }, (_, i) => i) : [home];
    const shards = numbers.map((number) => this.#shards.get(number));
    await Promise.all([this.#link.engines.read(), ...shards.map((shard) => this.#heartbeat.refresh(shard))]);
    await this.#link.listen(this.#rings(shards));
    this.#heartbeat.start();
  }

  /** @param shards where results may wait from before */
  #rings(shards: readonly Shard[]): Rings {
    const empty = (shard: Shard): void => this.#quietly('take_results', this.owner.mailbox(shard).empty());
    return {
      claim: (number, delayMs) => this.claimer.ring(number, delayMs),
      results: (number, entry) => {
        const shard = this.#shards.get(number);
        const mail = entry && parseCarried(entry, this.membership.name);
        if (mail) this.owner.mailbox(shard).carried(mail);
        else empty(shard);
      },
      refresh: (number) => this.#quietly('refresh', this.#heartbeat.refresh(this.#shards.get(number))),
      halt: (number, fence, ms) => this.claims.halt(number, fence, ms),
      subscribed: () => {
        this.claimer.lookAround();
        for (const shard of new Set([...shards, ...this.owner.shardsInUse()])) empty(shard);
      },
    };
  }

  #quietly(what: string, work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (!this.membership.over.aborted) this.#settings.onWarning(`${what}: ${messageOf(error)}`);
    });
  }

  /** See `Scheduler.updateConfig`. It moves when registry and home shard have heard of it, or not at all. */
  async reshard(loadShards: number, reallocate: boolean): Promise<void> {
    const { name, home } = this.membership;
    const placing = { loadShards, home: reallocate ? shardOf(name, loadShards) : home };
    const told = this.membership
      .announce(placing)
      .then(() => this.#heartbeat.refresh(this.#shards.get(placing.home)));
    await this.membership.within('updateConfig', told);
    this.membership.move(placing);
    this.claimer.lookAround();
  }

  /** Gives back what it holds, leaves `idle` and the registry, and is over, also if Redis does not answer. */
  async leave(pending: 'keep' | 'cancel'): Promise<void> {
    const parted = Promise.all(this.#shards.all().map((shard) => this.#partFrom(shard, pending)));
    // a shard that does not answer keeps the registry waiting no longer than this
    const left = soon(
      PART_MS,
      parted.catch(() => undefined),
    )
      .then(() => this.#heartbeat.stop())
      .then(() => this.membership.leave());
    try {
      await this.membership.within('close', Promise.all([parted, left]));
      // who was answered is told so before the others are told that the node is over
      await new Promise((resolve) => setImmediate(resolve));
    } catch (error) {
      if (!this.membership.over.aborted)
        this.#settings.onWarning(`close: ${messageOf(error)}; what this node held returns after its lease`);
    }
    this.membership.end(new SchedulerError('CLOSED', 'close', `scheduler ${this.membership.name} is closed`));
  }

  async #partFrom(shard: Shard, pending: 'keep' | 'cancel'): Promise<void> {
    await this.claims.giveBackIn(shard);
    if (pending === 'cancel') await this.owner.cancelIn(shard);
    await this.claimer.passOn(shard.number, true);
    await this.owner.putsAnswered();
    await shard.flushed();
    await this.owner.leave(shard);
  }

  /** @param loop of `run`, if it serves */
  stats(loop: Running | undefined, news: number): SchedulerStats {
    const { membership, teller } = this;
    const { scripts, resultsUnanswered, ...totals } = teller.tally;
    return {
      ...this.#origin(),
      upMs: Math.round(monotonic() - this.#from),
      requests: { ...this.owner.counts(), news },
      claims: {
        ...this.claims.counts(),
        running: loop?.running.length ?? 0,
        unanswered: resultsUnanswered,
      },
      breaker: loop?.breaker ?? null,
      shards: {
        home: membership.home,
        inUse: membership.shardsInUse,
        slow: this.#agenda.slowShards,
        troubles: membership.troubles.known,
      },
      connections: this.#link.connections(),
      totals: { ...totals, ended: { ...totals.ended } },
      scripts,
    };
  }

  /** Chunks that wait for others leave at once. */
  flush(): void {
    for (const shard of this.#shards.all()) shard.flush();
  }

  health(loop: Running | undefined, draining: boolean): SchedulerHealth {
    const { over, home } = this.membership;
    return healthOf({
      draining,
      over: over.aborted ? endOf(over.reason as SchedulerError) : null,
      circuit: loop?.breaker?.state ?? null,
      home,
      connections: this.#link.connections(),
      answeredAt: this.teller.tally.answeredAt,
      now: monotonic(),
      leaseMs: this.#settings.leaseMs,
    });
  }

  /** Resolves when nothing of it runs any more; it must be over. */
  ended(): Promise<void> {
    return this.#heartbeat.ended();
  }

  #over(reason: SchedulerError): void {
    // nothing waits for a call that nobody makes
    this.flush();
    this.claimer.stop();
    this.claims.abandon(reason);
    this.owner.close(reason);
    this.#link.close();
    this.teller.heard('over')?.({ code: endOf(reason), reason: reason.message });
  }
}
