/** Makes the planned faults happen. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Keyspace } from '../lib/checker/keyspace.ts';
import type { Holding, Loss } from '../lib/checker/losses.ts';
import { describe } from '../lib/harness/happenings.ts';
import { now } from '../lib/harness/history.ts';
import type { ChaosFleet, ChaosMember } from './node.ts';
import type { FaultName, PlannedFault } from './plan.ts';
import type { Proxy } from './proxy.ts';
import type { ChaosRedis, Comeback, Look } from './mortal-redis.ts';

export interface Stage {
  readonly fleet: ChaosFleet;
  readonly proxy: Proxy;
  readonly redis: ChaosRedis;
  /** Reads what a server holds of the fleet's requests. */
  readonly look: Look<Holding>;
  readonly keyspace: Keyspace;
  readonly leaseMs: number;
  /** Told what happens, for people. */
  readonly tell: (event: string) => void;
}

const NOTHING = Promise.resolve(undefined);
/** Nodes that must be up when one is killed. */
const SURVIVORS = 2;

export class Faults {
  readonly counts: Partial<Record<FaultName, number>> = {};
  readonly losses: Loss[] = [];
  readonly #stage: Stage;
  readonly #going = new Set<Promise<void>>();
  /** Faults that kill the server strike one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  #over = false;

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  /** Strikes; it may last longer than this call. */
  strike({ name, draws }: PlannedFault): void {
    const act = this.#acts[name];
    const going = act(...draws)
      .then((what) => {
        if (what === undefined) return;
        this.counts[name] = (this.counts[name] ?? 0) + 1;
        this.#stage.tell(`${name}: ${what}`);
      })
      // a fault that could not strike does not count
      .catch((error: unknown) => this.#stage.tell(`${name} did not strike: ${String(error)}`))
      .finally(() => this.#going.delete(going));
    this.#going.add(going);
  }

  /** Resolves when what was begun is over, and nothing of it stays. */
  async calm(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#going);
    this.#stage.proxy.calm();
    await this.#stage.keyspace.client.config('SET', 'maxmemory', '0');
  }

  /** What happened, for people; undefined: it could not happen now. */
  readonly #acts: Record<
    FaultName,
    (whom: number, long: number, much: number) => Promise<string | undefined>
  > = {
    kill: (whom, long, much) => {
      const victim = this.#victim(whom);
      if (!victim || this.#stage.fleet.up.length <= SURVIVORS) return NOTHING;
      victim.kill();
      const takeover = much < 0.8;
      const afterMs = Math.round(long * 2 * this.#stage.leaseMs);
      this.#succeed(victim, takeover, afterMs);
      const successor = `a successor ${takeover ? 'with' : 'without'} takeover in ${afterMs} ms`;
      return Promise.resolve(`${describe(victim)} by SIGKILL; ${successor}`);
    },
    takeover: (whom) => {
      const victim = this.#victim(whom);
      if (!victim) return NOTHING;
      this.#succeed(victim, true, 0);
      return Promise.resolve(`another instance takes over ${describe(victim)} while it lives`);
    },
    'stall-short': (whom, long) => this.#stall(whom, (0.1 + 0.5 * long) * this.#stage.leaseMs),
    'stall-long': (whom, long) => this.#stall(whom, (1.2 + 1.5 * long) * this.#stage.leaseMs),
    'cut-before': (_, share, much) => this.#trap('before', share, much),
    'cut-after': (_, share, much) => this.#trap('after', share, much),
    silence: (_, share, much) => this.#trap('silence', share / 2, much),
    latency: async (_, long, much) => {
      const [ms, forMs] = [Math.round(5 + 145 * much), Math.round(500 + 1500 * long)];
      this.#stage.proxy.delay(ms);
      await sleep(forMs);
      this.#stage.proxy.delay(0);
      return `${ms} ms each way for ${forMs} ms`;
    },
    'script-flush': async () => {
      await this.#stage.keyspace.client.script('FLUSH');
      return 'done';
    },
    'client-kill': async () => {
      const { client } = this.#stage.keyspace;
      const killed = [
        await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'),
        await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub'),
      ];
      return `${killed.map(Number).reduce((sum, count) => sum + count, 0)} connections`;
    },
    'client-pause': async (_, long) => {
      const ms = Math.round((0.1 + 1.4 * long) * this.#stage.leaseMs);
      await this.#stage.keyspace.client.client('PAUSE', ms, 'ALL');
      return `${ms} ms`;
    },
    'restart-aof': (_, long) =>
      this.#inTurn(async () => {
        await this.#stage.redis.restart(downMs(long));
        return 'Redis came back with its append-only file';
      }),
    'restart-empty': (_, long) => this.#lose((redis, look) => redis.restartEmpty(downMs(long), look)),
    rollback: (_, long) => this.#lose((redis, look) => redis.rollBack(100 + 4_000 * long * long, look)),
    failover: (_, long) => this.#lose((redis, look) => redis.failOver(100 + 1_500 * long * long, look)),
    maxmemory: async (_, long) => {
      const { client } = this.#stage.keyspace;
      const ms = Math.round(300 + 1200 * long);
      await client.config('SET', 'maxmemory', '1mb');
      await sleep(ms);
      await client.config('SET', 'maxmemory', '0');
      return `over it for ${ms} ms`;
    },
    'clock-step': (whom, long, much) => {
      const victim = this.#victim(whom);
      if (!victim) return NOTHING;
      const stepMs = Math.round((much < 0.5 ? -1 : 1) * 3_600_000 * long);
      victim.order({ order: 'clock', stepMs });
      return Promise.resolve(`${describe(victim)} by ${stepMs} ms`);
    },
  };

  #victim(whom: number): ChaosMember | undefined {
    const able = this.#stage.fleet.up.filter(({ stopped }) => !stopped);
    return able[Math.floor(whom * able.length)];
  }

  #succeed({ settings, node }: ChaosMember, takeover: boolean, afterMs: number): void {
    void sleep(afterMs, undefined, { ref: false }).then(() => {
      if (this.#over) return;
      this.#stage.fleet.start({ ...settings, node: takeover ? node : settings.node, takeover });
    });
  }

  async #stall(whom: number, ms: number): Promise<string | undefined> {
    const victim = this.#victim(whom);
    if (!victim) return undefined;
    await victim.stall(ms);
    return `${describe(victim)} for ${Math.round(ms)} ms`;
  }

  async #trap(
    kind: 'before' | 'after' | 'silence',
    share: number,
    much: number,
  ): Promise<string | undefined> {
    // the same connections for the same seed, as far as there are the same
    const chosen = (index: number): boolean => (index * 0.618 + much) % 1 < Math.max(0.15, share);
    const count = this.#stage.proxy.trap(kind, chosen);
    return Promise.resolve(count > 0 ? `${count} connections` : undefined);
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(act);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  #lose(die: (redis: ChaosRedis, look: Look<Holding>) => Promise<Comeback<Holding>>): Promise<string> {
    return this.#inTurn(async () => {
      let from = 0;
      const look: Look<Holding> = (url) => {
        from ||= now();
        return this.#stage.look(url);
      };
      const { had, has, how } = await die(this.#stage.redis, look);
      this.losses.push({ from, at: now(), had, has });
      const [before, after] = [had, has].map(({ records }) => records.size);
      return `Redis came back ${how}: with ${after} requests, it had ${before}`;
    });
  }
}

function downMs(long: number): number {
  return Math.round(1_000 * long * long);
}
