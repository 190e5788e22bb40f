/** Whether a scheduler can do its work just now, as far as its process knows; see docs/operating.md. */
import type { SchedulerError } from '../base/errors.ts';
import type { ConnectionName } from '../observe/events.ts';

/** A plain object, which JSON keeps. */
export interface SchedulerHealth {
  /**
   * It may be sent requests: it is not draining and not over, its connection for commands is up, and its home shard has answered
   * within half of `leaseMs` (an idle node hears of it every third). The circuit is no part of it: what a node accepts whose engine
   * fails is run by others.
   */
  ok: boolean;
  /** `close` was called. */
  draining: boolean;
  /** Why it is over; null: it is not. */
  over: 'CLOSED' | 'EVICTED' | null;
  /** The breaker of `run`; null: it does not run, or has none. */
  circuit: 'closed' | 'open' | null;
  home: number;
  /** Those that this process has asked, in the order of their numbers. */
  shards: {
    shard: number;
    /** How many ms ago Redis last ran a script in it for this process. */
    answeredMs: number;
  }[];
  /** As in the stats. */
  connections: Partial<Record<ConnectionName, 'up' | 'down'>>;
}

/** What it is made of. */
export interface Facts extends Omit<SchedulerHealth, 'ok' | 'shards'> {
  /** By shard, on the clock of `now`. */
  answeredAt: ReadonlyMap<number, number>;
  now: number;
  leaseMs: number;
}

export function healthOf({ answeredAt, now, leaseMs, ...known }: Facts): SchedulerHealth {
  const { draining, over, home, connections } = known;
  const homeAt = answeredAt.get(home) ?? -Infinity;
  const isHeard = connections.commands !== 'down' && now - homeAt <= leaseMs / 2;
  const shards = [...answeredAt]
    .sort(([a], [b]) => a - b)
    .map(([shard, at]) => ({ shard, answeredMs: Math.round(now - at) }));
  return { ok: isHeard && !draining && over === null, ...known, shards };
}

/** How a scheduler is over for this reason. */
export function endOf({ code }: SchedulerError): 'CLOSED' | 'EVICTED' {
  return code === 'EVICTED' ? code : 'CLOSED';
}
