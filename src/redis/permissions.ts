/**
 * What the Redis user may not do. Redis asks its access rules command by command, also within a script, and a script that is
 * refused one keeps what it wrote before. So the commands are tried at the start, each in a way that changes nothing.
 */
import { shardKey, wakePrefix } from '../base/keys.ts';
import { messageOf } from '../base/errors.ts';
import { anyServer } from './cluster.ts';
import type { Client } from './run-script.ts';

/** Every command that scripts use on a table, with arguments that have no effect on a key that is not there. */
export const HARMLESS: Readonly<Record<string, readonly string[]>> = {
  EXISTS: [],
  HDEL: ['f'],
  HEXISTS: ['f'],
  HGET: ['f'],
  HGETALL: [],
  HLEN: [],
  HMGET: ['f'],
  HSCAN: ['0'],
  // a field without a value is refused, but later than a user
  HSET: ['f', 'v', 'f'],
  PEXPIREAT: ['1'],
  PTTL: [],
  XADD: ['NOMKSTREAM', '*', 'f', 'v'],
  XLEN: [],
  ZADD: ['XX', '0', 'm'],
  ZCARD: [],
  ZCOUNT: ['0', '0'],
  // not a number: refused, but later than a user
  ZINCRBY: ['x', 'm'],
  ZLEXCOUNT: ['-', '+'],
  ZMSCORE: ['m'],
  ZRANGE: ['0', '0'],
  ZRANGEBYLEX: ['-', '+'],
  ZRANGEBYSCORE: ['0', '0'],
  ZREM: ['m'],
  ZREMRANGEBYLEX: ['-', '+'],
  ZREMRANGEBYSCORE: ['0', '0'],
  ZREVRANGE: ['0', '0'],
  ZREVRANGEBYSCORE: ['0', '0'],
  ZSCORE: ['m'],
};

/** Commands that this user may not use on the topic's tables. Changes nothing. */
export async function refusedCommands(client: Client, topic: string): Promise<string[]> {
  const key = shardKey(topic, 0, 'waiting').replace(/waiting$/, 'none');
  const commands = Object.entries(HARMLESS);
  const refused = await Promise.all(
    commands.map(([command, args]) => isRefused(client.call(command, key, ...args))),
  );
  return commands.flatMap(([command], i) => (refused[i] ? [command] : []));
}

/** Whether this user may send wake-ups. Nobody listens to the channel of a node without a name. */
export async function mayWake(client: Client, topic: string): Promise<boolean> {
  const server = await anyServer(client).catch(() => client);
  return !(await isRefused(server.publish(wakePrefix(topic), '')));
}

async function isRefused(asked: Promise<unknown>): Promise<boolean> {
  try {
    await asked;
    return false;
  } catch (error) {
    return messageOf(error).startsWith('NOPERM');
  }
}
