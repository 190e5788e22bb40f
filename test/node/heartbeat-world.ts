// A heartbeat whose shards and registry answer what a test tells them to.
import type { Rules } from '../../src/base/options.ts';
import { NO_TICK, type Ticket } from '../../src/base/ticket.ts';
import { Heartbeat } from '../../src/node/heartbeat.ts';
import type { Membership } from '../../src/protocol/membership.ts';
import type { Shard } from '../../src/protocol/shard.ts';
import type { RefreshAnswer } from '../../src/protocol/wire.ts';
import type { Claim } from '../../src/runner/claim.ts';

type Answer = Partial<RefreshAnswer<Claim>>;

/** One refresh: how many claims and which tickets it named. */
export interface Visit {
  shard: number;
  held: number;
  pending: readonly Ticket[];
}

/** Longer than any test: what a test does not shorten never comes. */
const LONG_MS = 3_600_000;

export class HeartbeatWorld {
  readonly heartbeat: Heartbeat;
  readonly over = new AbortController();
  home = 0;
  /** Visits in their order, and what they answer; default: nothing lost, nothing unknown, nothing due. */
  readonly visits: Visit[] = [];
  refresh: (shard: number) => Promise<Answer> = () => Promise.resolve({});
  renewals = 0;
  renew: () => Promise<boolean> = () => Promise.resolve(true);
  evictions = 0;
  /** Shards whose mailbox was emptied. */
  readonly emptied: number[] = [];
  take: () => Promise<void> = () => Promise.resolve();
  /** Pending tickets, and held claims, per shard. */
  pending: Record<number, readonly Ticket[]> = {};
  held: Record<number, readonly Claim[]> = {};
  ending: readonly Ticket[] = [];
  readonly lost: Claim[] = [];
  readonly orphans: Claim[] = [];
  readonly unknown: (readonly Ticket[])[] = [];
  readonly warnings: string[] = [];
  readonly #shards: Shard[];

  constructor(rules: Partial<Rules> = {}, shards = 1) {
    this.#shards = Array.from({ length: shards }, (_, number) => this.#shardOf(number));
    const settings = {
      ...{ keepAliveMs: LONG_MS, leaseMs: LONG_MS, pollMs: LONG_MS, takeover: false, ...rules },
      onWarning: (message: string) => void this.warnings.push(message),
    } as unknown as Rules;
    const all = { get: (number: number) => this.#shards[number]!, all: () => this.#shards };
    this.heartbeat = new Heartbeat(
      all,
      this.#membership(),
      settings,
      this.#owner() as ConstructorParameters<typeof Heartbeat>[3],
      this.#claims() as ConstructorParameters<typeof Heartbeat>[4],
    );
  }

  shard(number: number): Shard {
    return this.#shards[number]!;
  }

  /** Numbers of the shards that were visited. */
  get visited(): number[] {
    return this.visits.map(({ shard }) => shard);
  }

  /** Nothing of it goes on. */
  async end(): Promise<void> {
    this.over.abort();
    await this.heartbeat.ended();
  }

  #shardOf(number: number): Shard {
    const refresh: unknown = (held: readonly Claim[], pending: readonly Ticket[]) => {
      this.visits.push({ shard: number, held: held.length, pending });
      return this.refresh(number).then((answer) => ({
        ...{ lost: [], unknown: [], more: false, orphans: [] },
        ...answer,
      }));
    };
    return { number, refresh } as unknown as Shard;
  }

  #membership(): Membership {
    const home = (): number => this.home;
    return {
      over: this.over.signal,
      get home() {
        return home();
      },
      shardsInUse: this.#shards.length,
      renew: () => {
        this.renewals += 1;
        return this.renew();
      },
      evicted: () => (this.evictions += 1),
    } as unknown as Membership;
  }

  #owner(): unknown {
    return {
      mailbox: ({ number }: Shard) => ({
        cursor: NO_TICK,
        empty: () => {
          this.emptied.push(number);
          return this.take();
        },
      }),
      pendingIn: ({ number }: Shard) => [...(this.pending[number] ?? [])],
      shardsInUse: () => new Set(Object.keys(this.pending).map((number) => this.shard(Number(number)))),
      unknown: (_: Shard, tickets: readonly Ticket[]) => {
        this.unknown.push(tickets);
        return Promise.resolve();
      },
    };
  }

  #claims(): unknown {
    return {
      heldIn: ({ number }: Shard) => [...(this.held[number] ?? [])],
      ending: () => new Set(this.ending),
      lose: (claim: Claim) => void this.lost.push(claim),
      orphan: (claim: Claim) => void this.orphans.push(claim),
      shards: () => new Set(Object.keys(this.held).map((number) => this.shard(Number(number)))),
    };
  }
}
