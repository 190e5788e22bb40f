/** Everything that `doctor` looks at: each server by itself, then the topic. */
import { monotonic, sleep, timeOf } from '../base/clock.ts';
import { SchedulerError, messageOf } from '../base/errors.ts';
import { settle } from '../base/settle.ts';
import {
  examineClock,
  examineDisk,
  examineGrowth,
  examineReplicas,
  MORE_SETTINGS,
  findingOf,
  type ClockLook,
} from '../inspect/checkup/condition.ts';
import { examineCluster, examineOpenSlots, examineSpread } from '../inspect/checkup/cluster.ts';
import { examineKeys } from '../inspect/checkup/keys.ts';
import { examineScripts } from '../inspect/checkup/scripts.ts';
import { SLOW_ENTRIES, examineSlow, type SlowEntry } from '../inspect/checkup/slow.ts';
import { examineInvariants, examineStatus, examineTtl } from '../inspect/checkup/topic.ts';
import { readPlaces } from '../inspect/places.ts';
import { readRegistry } from '../inspect/registry.ts';
import { readStatus } from '../inspect/read-status.ts';
import type { StatusReport } from '../inspect/status-report.ts';
import { examineRights } from '../redis/dry-run.ts';
import type { Role } from '../redis/rights.ts';
import { allScripts, type Client } from '../redis/run-script.ts';
import { examine, readFacts, type Facts, type Finding } from '../redis/suitability.ts';
import type { Server } from './servers.ts';

export interface CheckupOptions {
  /** undefined: servers only. */
  topic: string | undefined;
  role: Role;
  /** A Redis user; undefined: the one that asks. */
  try?: string | undefined;
  /** ms from the first look at a server's memory to the second; 0: there is one look. */
  overMs: number;
  /** Keys of a server that are searched for those that do not belong; undefined: none. */
  keys: number | undefined;
  /** The invariants are checked however much waits. */
  verify: boolean;
}

/** What was found, and where. */
export type Found = Finding & { readonly server: string };

/** What was read of a server. */
interface Look {
  server: Server;
  facts: Facts;
  infoLater: string | undefined;
  /** ms between the two. */
  overMs: number;
  clock: ClockLook | undefined;
  nowS: number;
  isCluster: boolean;
}

export async function checkUp(
  client: Client,
  servers: readonly Server[],
  where: string,
  options: CheckupOptions,
): Promise<Found[]> {
  const { topic } = options;
  const report = topic === undefined ? undefined : await orUndefined(() => reportOf(client, topic, where));
  const looks = await Promise.all(
    servers.map(async (server) => {
      try {
        return await lookAt(server, options.overMs);
      } catch (error) {
        return { server, error };
      }
    }),
  );
  const seen = looks.flatMap((look) => ('facts' in look ? [look] : []));
  const found = await Promise.all(
    looks.map(async (look) => {
      const findings =
        'facts' in look ? await judge(look, seen, report, options) : [away(look.server, look.error)];
      return findings.map((one): Found => ({ ...one, server: look.server.name }));
    }),
  );
  const ofTopic = report
    ? await judgeTopic(client, report, options)
    : topic === undefined
      ? []
      : [findingOf('topic', undefined)];
  return [...found.flat(), ...ofTopic.map((one): Found => ({ ...one, server: where }))];
}

function away({ role }: Server, error: unknown): Finding {
  const why = `this ${role} does not answer: ${messageOf(error)}`;
  const trouble = { why, remedy: 'look at its process and its network' };
  return findingOf('answer', 'none', role === 'master' ? { ...trouble, severity: 'broken' } : trouble);
}

async function reportOf(client: Client, topic: string, server: string): Promise<StatusReport> {
  return readStatus(client, { topic, server, registry: await readRegistry(client, topic) });
}

async function lookAt(server: Server, overMs: number): Promise<Look> {
  const { redis } = server;
  await redis.ping();
  const from = monotonic();
  const [facts, { clock, nowS }] = await Promise.all([readFacts(redis, MORE_SETTINGS), clockOf(server)]);
  if (overMs > 0) await sleep(overMs);
  const infoLater = overMs > 0 ? await orUndefined(() => redis.info('memory')) : undefined;
  const isCluster = /^cluster_enabled:1/m.test(facts.info ?? '');
  return { server, facts, infoLater, overMs: monotonic() - from, clock, nowS, isCluster };
}

/** The quickest of three, as the others waited somewhere. */
async function clockOf({ redis }: Server): Promise<{ clock: ClockLook | undefined; nowS: number }> {
  const looks: (ClockLook & { at: number })[] = [];
  for (let i = 0; i < 3; i += 1) {
    const [wall, from] = [Date.now(), monotonic()];
    const time = await orUndefined(() => redis.time());
    if (time === undefined) return { clock: undefined, nowS: Date.now() / 1000 };
    const roundMs = monotonic() - from;
    looks.push({ at: timeOf(time), aheadMs: timeOf(time) - wall - roundMs / 2, roundMs });
  }
  const [best] = looks.sort((a, b) => a.roundMs - b.roundMs);
  return { clock: best, nowS: best!.at / 1000 };
}

async function judge(
  look: Look,
  all: readonly Look[],
  report: StatusReport | undefined,
  { topic, role, try: user, keys }: CheckupOptions,
): Promise<Finding[]> {
  const { server, facts, isCluster } = look;
  const { redis } = server;
  const isUsed = report?.nodes.some(({ state }) => state === 'registered') ?? false;
  const sha1s = Object.values(allScripts()).map(({ sha1 }) => sha1);
  const exists = await orUndefined(() => redis.script('EXISTS', ...sha1s) as Promise<number[]>);
  const scripts = examineScripts(exists, { role: server.role, isUsed: isUsed && !isCluster });
  // of a replica of a Cluster there is no more to say: its master tells how far it is
  if (server.role === 'replica') return [scripts];
  const slow = await orUndefined(() => redis.slowlog('GET', SLOW_ENTRIES) as Promise<SlowEntry[]>);
  const others = all.flatMap((one) => (one !== look && one.clock ? [one.clock] : []));
  return [
    // a scheduler with other options compares with those, at its start
    ...examine(facts, settle({})),
    examineDisk(facts),
    examineReplicas(facts),
    ...(look.infoLater === undefined ? [] : [examineGrowth(facts.info, look.infoLater, look.overMs)]),
    examineClock(look.clock, others),
    scripts,
    examineSlow(slow, look.nowS),
    ...(isCluster
      ? [
          examineCluster(await orUndefined(() => redis.cluster('INFO'))),
          examineOpenSlots(await orUndefined(() => redis.cluster('NODES') as Promise<string>)),
        ]
      : []),
    ...(topic === undefined ? [] : [await examineRights(redis, { topic, role, cluster: isCluster }, user)]),
    ...(report === undefined || keys === undefined
      ? []
      : [await examineKeys(redis, { topic: report.topic, shards: report.shards.length, most: keys })]),
  ];
}

async function judgeTopic(
  client: Client,
  report: StatusReport,
  { verify }: CheckupOptions,
): Promise<Finding[]> {
  const { topic, nodes, shards } = report;
  if (nodes.length === 0 && shards.length === 0)
    return [findingOf('topic', `no node of ${topic} has registered within a day`)];
  const places = await readPlaces(client);
  const counts = new Map(places?.masters.map((name) => [name, 0]));
  for (const { shard } of shards) {
    const server = places?.of(topic, shard).server;
    if (server != null) counts.set(server, (counts.get(server) ?? 0) + 1);
  }
  return [
    ...examineStatus(report),
    examineTtl(nodes),
    await examineInvariants(client, report, verify),
    ...(places ? [examineSpread(counts)] : []),
  ];
}

/** Of what this user may not ask, or this server does not know. */
async function orUndefined<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    const isRefused = (error as Error).name === 'ReplyError';
    if (isRefused || (error instanceof SchedulerError && error.code === 'SCRIPT')) return undefined;
    throw error;
  }
}
