/** The registry of a topic as typed calls: one process' entry, by the script `register`. */
import { registryKeys, shardKey } from '../base/keys.ts';
import type { LoadUnit, Rules } from '../base/options.ts';
import type { Tick } from '../base/ticket.ts';
import { breakerArgument, type EngineDown } from './registration.ts';
import { TopicNotes } from './topic-notes.ts';
import { runScript, type Client } from '../redis/run-script.ts';
import { troubleOf } from '../redis/trouble.ts';

/** `over`: take the name even if another holds it. `leave`: give it up; others may take it at once. */
export type RegisterAction = 'take' | 'over' | 'renew' | 'leave';

export interface RegisterCall {
  action: RegisterAction;
  /** Random id of this process' scheduler: a repeated call finds its own entry. */
  instance: string;
  /** The new epoch must exceed this one. */
  above: Tick;
  /** The caller's epoch; empty while it has no name. */
  epoch: Tick;
  loadShards: number;
  /** Candidates with their home shards; the first free one is taken. */
  names: ReadonlyMap<string, number>;
  /** The caller has seen that nothing waits in the topic. */
  empty: boolean;
  /** Tokens of the largest prompt that the caller's engine can ever hold; undefined: it has none. */
  engine: number | undefined;
  /** Its breaker is open; undefined: it is not. */
  down: EngineDown | undefined;
  /** What the node tells of itself (card.ts); empty: nothing. */
  card: string;
}

export type RegisterAnswer =
  /** `shards`: the highest loadShards that any node of the topic ever gave. For `leave` the epoch is empty. */
  | { status: 'OK'; name: string; epoch: Tick; shards: number }
  /** Other instances hold every candidate. */
  | { status: 'TAKEN' }
  /** The topic is of another schema. */
  | { status: 'SCHEMA'; schema: string }
  /** The topic's load is in another unit. `living`: a node that is registered; empty: none is. */
  | { status: 'UNIT'; unit: LoadUnit; living: string; shards: number };

/** Where the names of a topic are kept: in Redis, or in memory (src/testing/in-process). */
export interface Registry {
  register(call: RegisterCall): Promise<RegisterAnswer>;
  /** How many requests wait in a shard. */
  waitingIn(shard: number): Promise<number>;
  /** What is known to be wrong with the way to it. */
  trouble(): Error | undefined;
}

export function redisRegistry(client: Client, rules: Rules): Registry {
  const notes = new TopicNotes(client, rules);
  return {
    register: async (call) => {
      const answer = await register(client, rules, call);
      if (answer.status === 'OK' && call.action !== 'leave') notes.note();
      return answer;
    },
    waitingIn: (shard) => client.zcard(shardKey(rules.topic, shard, 'waiting')),
    trouble: () => troubleOf(client),
  };
}

async function register(client: Client, rules: Rules, call: RegisterCall): Promise<RegisterAnswer> {
  const { topic, keepAliveMs, ttlMs, loadUnit, scripts } = rules;
  const reply = await runScript(client, scripts, 'register', registryKeys(topic), [
    call.action,
    call.instance,
    '',
    String(keepAliveMs),
    String(ttlMs),
    call.above,
    call.epoch,
    String(call.loadShards),
    loadUnit,
    call.empty ? '1' : '',
    call.engine === undefined ? '' : String(call.engine),
    breakerArgument(call.down),
    call.card,
    ...[...call.names].flatMap(([name, home]) => [name, String(home)]),
  ]);
  const [status, first = '', second = '', shards] = reply.map(String);
  switch (status) {
    case 'OK':
      return { status, name: first, epoch: second, shards: Number(shards) };
    case 'SCHEMA':
      return { status, schema: first };
    case 'UNIT':
      return { status, unit: first as LoadUnit, living: second, shards: Number(shards) };
    default:
      return { status: 'TAKEN' };
  }
}
