/** Reads a topic for `sched-lua status`. No command that it sends grows with what waits. */
import { registryKeys, shardKey } from '../base/keys.ts';
import { parseCard, type Card } from '../protocol/card.ts';
import type { Registration } from '../protocol/registration.ts';
import type { Client } from '../redis/run-script.ts';
import type { ShardFigures } from './decode.ts';
import { diagnose } from './diagnose.ts';
import { readFigures } from './figures.ts';
import { readPlaces } from './places.ts';
import type { Registry } from './registry.ts';
import { statusOf } from './shard-status.ts';
import type { NodeStatus, StatusReport, TopicStatus } from './status-report.ts';
import { tooLargeHeads } from './too-large.ts';

/** Of three refreshes that a lease has, a node has missed two. */
const SILENT_LEASES = 2 / 3;

/** Reads the shards and the cards of a topic whose registry was read, and says what is wrong with it. */
export async function readStatus(
  client: Client,
  { topic, server, registry }: { topic: string; server: string; registry: Registry },
): Promise<StatusReport> {
  const { now, shards: inUse, loadUnit, nodes, largestPrompt } = registry;
  const numbers = Array.from({ length: inUse }, (_, shard) => shard);
  const [, , cardsKey] = registryKeys(topic);
  const [cards, memory, places, figures] = await Promise.all([
    client.hgetall(cardsKey),
    readMemory(client),
    readPlaces(client),
    Promise.all(numbers.map((shard) => readFigures(client, topic, shard))),
  ]);
  const waiting = await Promise.all(
    figures.map((one, shard) => waitingIn(client, topic, shard, one, loadUnit)),
  );
  const large = largestPrompt === undefined ? [] : figures;
  const heads = await Promise.all(
    large.map((_, shard) =>
      tooLargeHeads(client, topic, shard, { waiting: waiting[shard]!, largest: largestPrompt! }),
    ),
  );
  const look = { figures, waiting, now };
  const status: TopicStatus = {
    ...{ topic, server, now, loadUnit, memory, largestPrompt: largestPrompt ?? null },
    nodes: nodes.map((node) => nodeStatus(node, parseCard(cards[node.name]), look)),
    shards: figures.map((one, shard) => ({
      ...statusOf(shard, one),
      ...(places && { place: places.of(topic, shard) }),
    })),
    tooLarge: heads.flat(),
  };
  return { ...status, findings: diagnose(status) };
}

/** Owner -> how many of its requests wait in a shard. */
type Waiting = ReadonlyMap<string, number>;

/** A load in tokens does not say it: the table `waiting` does, in the logarithm of its size for each owner. */
async function waitingIn(
  client: Client,
  topic: string,
  shard: number,
  { load }: ShardFigures,
  loadUnit: Registry['loadUnit'],
): Promise<Waiting> {
  if (loadUnit === 'requests') return load;
  const key = shardKey(topic, shard, 'waiting');
  const owners = [...load.keys()];
  const counts = await Promise.all(owners.map((one) => client.zlexcount(key, `[${one}|`, `(${one}}`)));
  return new Map(owners.map((owner, i) => [owner, counts[i]!]));
}

interface Look {
  now: number;
  figures: readonly ShardFigures[];
  waiting: readonly Waiting[];
}

export function nodeStatus(node: Registration, card: Card | undefined, look: Look): NodeStatus {
  const { name } = node;
  const { now, figures, waiting } = look;
  const ages = figures.flatMap(({ head, now }) => {
    const order = head.get(name);
    return order === undefined ? [] : [Math.max(0, now - Math.floor(order / 1000))];
  });
  const heardAt = card ? heardOf(node, card, figures) : null;
  const isIdle = figures.some(({ idle, now }) => (idle.get(name) ?? 0) > now);
  const tried = card?.nextTryMs ?? null;
  const isDown = node.engine?.down != null;
  return {
    ...node,
    condition: conditionOf(node, card, { isIdle, silentMs: heardAt === null ? 0 : now - heardAt }),
    waiting: waiting.reduce((sum, one) => sum + (one.get(name) ?? 0), 0),
    oldestMs: ages.length === 0 ? null : Math.max(...ages),
    heardAt,
    nextTryAt: card && isDown && tried !== null ? renewedAt(node, card) + tried : null,
    card: card ?? null,
  };
}

function renewedAt({ registeredUntil }: Registration, { keepAliveMs }: Card): number {
  return registeredUntil - keepAliveMs;
}

/** A refresh says that the node is alive for so long. */
function heardOf(node: Registration, card: Card, figures: readonly ShardFigures[]): number {
  const aliveMs = Math.max(card.leaseMs, card.keepAliveMs);
  const refreshed = figures.map((one) => (one.node.get(node.name) ?? -Infinity) - aliveMs);
  return Math.max(renewedAt(node, card), ...refreshed);
}

function conditionOf(
  { state, engine }: Registration,
  card: Card | undefined,
  { isIdle, silentMs }: { isIdle: boolean; silentMs: number },
): NodeStatus['condition'] {
  if (state === 'left' || state === 'silent') return state;
  if (card && silentMs > card.leaseMs * SILENT_LEASES) return 'silent';
  if (card?.draining) return 'draining';
  if (engine === null) return 'front';
  if (engine.down) return 'down';
  return isIdle ? 'idle' : 'serving';
}

async function readMemory(client: Client): Promise<TopicStatus['memory']> {
  try {
    const info = await client.info('memory');
    const field = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? NaN);
    const [used, max] = [field('used_memory'), field('maxmemory')];
    return Number.isNaN(used) || Number.isNaN(max) ? null : { used, max };
  } catch {
    return null;
  }
}
