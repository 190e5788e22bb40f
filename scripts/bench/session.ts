import { randomBytes } from 'node:crypto';
import { openClient, ready } from '../../src/redis/connection.ts';
import { registryKeys, shardKeys } from '../../src/base/keys.ts';
import type { RedisServer } from '../lib/redis/find.ts';
import { openLists } from './bound.ts';
import { startNode } from './ours.ts';
import type { CodecName } from './payloads.ts';
import { idleTopic } from './idle.ts';
import { latencyTopic } from './latency.ts';
import type { Bench } from './rounds.ts';

const CONNECT_MS = 10_000;

/**
 * Opens both sides in a topic that nobody else uses, and afterwards closes them and removes their keys.
 *
 * @param onLost called when the server goes away meanwhile: the bound's commands would wait for it for ever
 */
export async function withBench<T>(
  server: RedisServer,
  codec: CodecName,
  onLost: (reason: Error) => void,
  use: (bench: Bench) => Promise<T>,
): Promise<T> {
  const topic = `bench-${randomBytes(6).toString('hex')}`;
  const control = openClient(server.url);
  const lists = openLists(server.url, topic);
  const nodes = [];
  const lost = (): void => onLost(new Error('the connection to Redis was lost'));
  try {
    await ready(control, server.url, CONNECT_MS);
    control.once('close', lost);
    const owner = await startNode(server.url, topic, 'owner', codec);
    nodes.push(owner);
    const runner = await startNode(server.url, topic, 'runner', codec);
    nodes.push(runner);
    return await use({ redis: server.url, topic, pair: { owner, runner }, lists, control });
  } finally {
    await Promise.all(nodes.map((node) => node.close()));
    if (control.status === 'ready') {
      // what is on its way arrives, and nothing follows it
      await Promise.all([lists.owner.ping(), lists.runner.ping()]);
      const topics = [topic, latencyTopic(topic), idleTopic(topic)];
      const tables = topics.flatMap((one) => [...shardKeys(one, 0), ...registryKeys(one)]);
      const keys = [...tables, lists.requests, lists.results];
      await Promise.all(keys.map((key) => control.unlink(key)));
    }
    control.off('close', lost);
    for (const client of [control, lists.owner, lists.runner]) client.disconnect();
  }
}
