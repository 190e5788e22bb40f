/** What the faults of a run have in common: whom they strike, and what is noted for the checker. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { whenReady } from '../../src/redis/connection.ts';
import type { ClockStep } from '../lib/checker/evidence.ts';
import type { Keyspace } from '../lib/checker/keyspace.ts';
import type { Holding, Loss } from '../lib/checker/losses.ts';
import { now } from '../lib/harness/history.ts';
import type { ChaosRedis, Comeback, Look } from './mortal-redis.ts';
import type { Network } from './network.ts';
import type { ChaosFleet, ChaosMember, ChaosSettings } from './node.ts';
import type { FreeSettings } from './roles.ts';
import { Windows } from './windows.ts';

export interface Stage {
  readonly fleet: ChaosFleet;
  readonly network: Network;
  readonly redis: ChaosRedis;
  readonly topic: string;
  /** Reads what a server holds of the fleet's requests. */
  readonly look: Look<Holding>;
  readonly keyspace: Keyspace;
  readonly leaseMs: number;
  /** A node without clients of its own; the faults say more. */
  readonly guest: FreeSettings;
  /** Most load shards that the topic may get. */
  readonly mostShards: number;
  /** Told what happens, for people. */
  readonly tell: (event: string) => void;
}

/** What happened, for people; undefined: it could not happen now. Each draw is in [0, 1). */
export type Act = (whom: number, long: number, much: number) => Promise<string | undefined>;

export class Scene {
  readonly stage: Stage;
  readonly windows = new Windows();
  readonly losses: Loss[] = [];
  readonly clockSteps: ClockStep[] = [];
  /** Nothing new begins. */
  over = false;
  #shards: number;
  #isServerAway = false;
  readonly #guests = new Map<string, ChaosMember>();

  constructor(stage: Stage) {
    this.stage = stage;
    this.#shards = stage.guest.loadShards;
  }

  /** How many load shards the topic has. */
  get shards(): number {
    return this.#shards;
  }

  /** One shard more, if there may be; answers how many there are then. */
  addShard(): number | undefined {
    if (this.#shards >= this.stage.mostShards) return undefined;
    return (this.#shards += 1);
  }

  /** A process that is up. `suits`: one of these, if there is one. */
  victim(whom: number, suits: (member: ChaosMember) => boolean = () => true): ChaosMember | undefined {
    const able = this.stage.fleet.up.filter(({ stopped }) => !stopped);
    const suited = able.filter(suits);
    const of = suited.length > 0 ? suited : able;
    return of[Math.floor(whom * of.length)];
  }

  /** The node that this kind of fault brings; started once, and again if it is gone. Resolves when it is up. */
  async guest(name: string, settings: Partial<ChaosSettings>): Promise<ChaosMember | undefined> {
    const known = this.#guests.get(name);
    if (known?.alive) return known.state === 'up' && !known.stopped ? known : undefined;
    const guest = this.stage.fleet.start({ ...this.stage.guest, ...settings, node: name });
    this.#guests.set(name, guest);
    return guest.started().then(
      () => guest,
      () => undefined,
    );
  }

  /** For the command CLIENT: ioredis never answers one whose connection breaks before it is ready. */
  async readyClient(): Promise<Redis> {
    const { client } = this.stage.keyspace;
    await whenReady(client);
    return client;
  }

  /** Of the processes that live, those that reach Redis by one of these links. */
  labelsOf(urls: ReadonlySet<string>): Set<string> {
    const members = this.stage.fleet.members.filter(
      ({ alive, settings }) => alive && urls.has(settings.redis),
    );
    return new Set(members.map(({ label }) => label));
  }

  succeed({ settings, node }: ChaosMember, takeover: boolean, afterMs: number): void {
    void sleep(afterMs, undefined, { ref: false }).then(() => {
      if (!this.over)
        this.stage.fleet.start({ ...settings, node: takeover ? node : settings.node, takeover });
    });
  }

  /** No process has Redis meanwhile; undefined: another such fault strikes. */
  async alone<T>(what: string, act: () => Promise<T>): Promise<T | undefined> {
    if (this.#isServerAway) return undefined;
    this.#isServerAway = true;
    return this.windows.awayDuring(what, {}, act).finally(() => (this.#isServerAway = false));
  }

  /** Redis comes back with less than it had. */
  lose(
    what: string,
    die: (redis: ChaosRedis, look: Look<Holding>) => Promise<Comeback<Holding>>,
  ): Promise<string | undefined> {
    return this.alone(what, async () => {
      let from = 0;
      const look: Look<Holding> = (url) => {
        from ||= now();
        return this.stage.look(url);
      };
      const { had, has, how } = await die(this.stage.redis, look);
      this.losses.push({ from, at: now(), had, has });
      const [before, after] = [had, has].map(({ records }) => records.size);
      return `Redis came back ${how}: with ${after} requests, it had ${before}`;
    });
  }
}

/** Of one process. */
export function only({ label }: ChaosMember): { labels: ReadonlySet<string> } {
  return { labels: new Set([label]) };
}
