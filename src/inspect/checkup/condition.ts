/** How a server does: what INFO tells of it, at one moment or at two. Pure. */
import { count, duration } from '../../base/words.ts';
import type { Trouble } from '../../redis/limits.ts';
import type { Facts, Finding } from '../../redis/suitability.ts';

/** Replicas tell every second how far they are. */
const LAG_S = 5;
/** A replica that is so far behind would lose much. */
const BEHIND_BYTES = 16 * 2 ** 20;
/** Memory that would be full so soon at this rate, and what is no noise. */
const SOON_MS = 600_000;
const NOISE_BYTES = 2 ** 20;

/** Settings that are looked at here, beside those of every start. */
export const MORE_SETTINGS = ['stop-writes-on-bgsave-error', 'min-replicas-to-write'] as const;

export function fieldOf(info: string, name: string): string | undefined {
  return new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(info)?.[1];
}

/** @param trouble undefined: it is as it should be */
export function findingOf(what: string, found: string | undefined, trouble?: Trouble): Finding {
  return { what, found, ...(trouble ? { trouble } : {}) };
}

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** Whether what is to be on disk gets there. */
export function examineDisk({ info, settings }: Facts): Finding {
  if (info === undefined) return findingOf('disk', undefined);
  const [rdb, aof] = ['rdb_last_bgsave_status', 'aof_last_write_status'].map((name) => fieldOf(info, name));
  const found = `last snapshot ${rdb ?? '?'}, last append ${aof ?? '?'}`;
  if (aof === 'err')
    return findingOf('disk', found, {
      why: 'the last write to the append-only file failed: Redis refuses writes (MISCONF)',
      remedy: 'free space on its disk, or move its folder (CONFIG SET dir); it goes on by itself',
      severity: 'broken',
    });
  if (rdb !== 'err') return findingOf('disk', found);
  const refuses = settings['stop-writes-on-bgsave-error'] !== 'no' && settings['save'] !== '';
  return findingOf('disk', found, {
    why: `the last snapshot failed${refuses ? ': Redis refuses writes (MISCONF)' : ''}`,
    remedy: 'free space on its disk, then make one',
    command: 'BGSAVE',
    ...(refuses ? { severity: 'broken' } : {}),
  });
}

/** Whether the replicas of a master follow it. */
export function examineReplicas({ info, settings }: Facts): Finding {
  if (info === undefined) return findingOf('replicas', undefined);
  const at = Number(fieldOf(info, 'master_repl_offset'));
  const replicas = [...info.matchAll(/^slave\d+:(.*?)\r?$/gm)].map(([, text]) => {
    const fields = new Map(text!.split(',').map((pair) => pair.split('=') as [string, string]));
    const of = (name: string): string => fields.get(name) ?? '';
    return {
      name: `${of('ip')}:${of('port')}`,
      state: of('state'),
      lagS: Number(of('lag')),
      behind: Math.max(0, at - Number(of('offset'))),
    };
  });
  const wanted = Number(settings['min-replicas-to-write'] ?? 0);
  const good = fieldOf(info, 'min_slaves_good_slaves');
  const lagS = Math.max(0, ...replicas.map((one) => one.lagS));
  const behind = Math.max(0, ...replicas.map((one) => one.behind));
  const found =
    replicas.length === 0
      ? 'none'
      : `${count(replicas.length, 'replica')}, at most ${lagS} s and ${mib(behind)} behind`;
  if (wanted > 0 && good !== undefined && Number(good) < wanted)
    return findingOf('replicas', found, {
      why: `${good} of ${wanted} replicas are well (min-replicas-to-write): Redis refuses writes (NOREPLICAS)`,
      remedy: 'mend the replicas, or want fewer',
      command: `CONFIG SET min-replicas-to-write ${good}`,
      severity: 'broken',
    });
  const late = replicas.filter(
    (one) => one.state !== 'online' || one.lagS >= LAG_S || one.behind > BEHIND_BYTES,
  );
  if (late.length === 0) return findingOf('replicas', found);
  const told = late.map(({ name, state, ...one }) =>
    state === 'online'
      ? `${name} is ${one.lagS} s and ${mib(one.behind)} behind`
      : `${name} is in state ${state}`,
  );
  return findingOf('replicas', found, {
    why: `replica ${told.join(', ')}: a failover to it loses what it does not have`,
    remedy: `look at its process and its network (redis-cli -h ${late[0]!.name.replace(/:(\d+)$/, ' -p $1')} INFO replication)`,
  });
}

/** @param before INFO, `ms` before `after` */
export function examineGrowth(before: string | undefined, after: string | undefined, ms: number): Finding {
  const used = [before, after].map((info) => Number(fieldOf(info ?? '', 'used_memory')));
  if (used.some(Number.isNaN) || after === undefined || ms <= 0) return findingOf('growth', undefined);
  const grown = used[1]! - used[0]!;
  const perMs = grown / ms;
  const found = `${grown < 0 ? '-' : '+'}${mib(Math.abs(perMs) * 1000)}/s over ${duration(ms)}`;
  const limit = Number(fieldOf(after, 'maxmemory')) || Number(fieldOf(after, 'total_system_memory'));
  const leftMs = (limit - used[1]!) / perMs;
  if (grown < NOISE_BYTES || !(leftMs < SOON_MS)) return findingOf('growth', found);
  return findingOf('growth', found, {
    why: `at this rate the memory is full in ${duration(Math.max(0, leftMs))} (${mib(limit)})`,
    remedy: 'add engines, have less wait (maxWaiting), or raise maxmemory; sched-lua top shows what grows',
  });
}

/** A server's clock beside that of this machine, in ms; `roundMs` is how long the question took. */
export interface ClockLook {
  aheadMs: number;
  roundMs: number;
}

/** Less is of no matter to leases and deadlines. */
const CLOCK_MS = 1_000;

/** @param others of the other servers of a Cluster */
export function examineClock(own: ClockLook | undefined, others: readonly ClockLook[]): Finding {
  if (own === undefined) return findingOf('clock', undefined);
  const ahead = Math.round(own.aheadMs);
  const found = `${ahead < 0 ? '-' : '+'}${duration(Math.abs(ahead))} of this machine's`;
  const apart = (one: ClockLook): number => Math.abs(own.aheadMs - one.aheadMs) - own.roundMs - one.roundMs;
  const most = Math.max(0, ...others.map(apart));
  const remedy = 'keep the time of all machines by NTP';
  const command = 'chronyc makestep';
  if (most > CLOCK_MS) {
    const why = `its clock is ${duration(most)} from another server's: requests of one shard look older than those of another`;
    return findingOf('clock', found, { why, remedy, command });
  }
  if (Math.abs(own.aheadMs) - own.roundMs <= CLOCK_MS) return findingOf('clock', found);
  const why =
    "its clock is not this machine's: leases and deadlines go by the server's, and their times look odd here";
  return findingOf('clock', found, { why, remedy, command, severity: 'note' });
}
