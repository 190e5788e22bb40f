/** What a Redis user needs for a topic: the words of an ACL rule, and for each of them a command that is refused without it. */
import { fleetPatterns, keyPatterns, registryKeys, shardKey, wakePrefix } from '../base/keys.ts';
import { SCRIPT_NAMES, type ScriptName } from './declarations.ts';
import { embedded } from './lua.generated.ts';
import { HARMLESS } from './permissions.ts';

/** `application`: what schedulers need. `operator`: what the command line needs; `dead retry` starts a scheduler. */
export const ROLES = ['application', 'operator'] as const;
export type Role = (typeof ROLES)[number];

export interface RightsOf {
  topic: string;
  role: Role;
  /** Of a Redis Cluster. */
  cluster?: boolean;
  /** For a server before Redis 7, which refuses a rule with a command that it does not know. */
  before7?: boolean;
}

/** Of all topics of a fleet, and of its registry. */
export interface FleetRightsOf extends Omit<RightsOf, 'topic'> {
  fleet: string;
}

/** A command as a server gets it. */
export type Command = readonly [name: string, ...args: string[]];

/** Arguments of a command that the client sends, by keys and a channel of the topic. */
type Sent = Readonly<Record<string, (of: { key: string; channel: string }) => string[]>>;

const NO_SHA = '0'.repeat(40);

/** The list of topics is the server's, so no user of one topic has a right to it: a topic that may not note itself is not listed. */
const SCRIPTS = SCRIPT_NAMES.filter((name) => name !== 'note_topic');

/** What a scheduler sends beside what its scripts call; a test reads the sources for them. */
const APPLICATION: Sent = {
  eval: ({ key }) => ['return 1', '1', key],
  evalsha: ({ key }) => [NO_SHA, '1', key],
  exists: ({ key }) => [key],
  hgetall: ({ key }) => [key],
  // ioredis asks it of each new connection, and complains on the console where it may not
  info: () => [],
  ping: () => [],
  publish: ({ channel }) => [channel, ''],
  subscribe: ({ channel }) => [channel],
  time: () => [],
  unsubscribe: ({ channel }) => [channel],
  wait: () => ['1', '1'],
  zcard: ({ key }) => [key],
};

/** What the command line sends beside that. */
const OPERATOR: Sent = {
  'acl|dryrun': () => ['default', 'ping'],
  'acl|whoami': () => [],
  'config|get': () => ['maxmemory'],
  exec: () => [],
  hget: ({ key }) => [key, 'f'],
  hkeys: ({ key }) => [key],
  hlen: ({ key }) => [key],
  hmget: ({ key }) => [key, 'f'],
  hstrlen: ({ key }) => [key, 'f'],
  'memory|usage': ({ key }) => [key],
  multi: () => [],
  pexpiretime: ({ key }) => [key],
  pttl: ({ key }) => [key],
  'script|exists': () => [NO_SHA],
  'script|load': () => ['return 1'],
  'slowlog|get': () => ['1'],
  xdel: ({ key }) => [key, '0-1'],
  xlen: ({ key }) => [key],
  xrange: ({ key }) => [key, '-', '+'],
  zrange: ({ key }) => [key, '0', '0'],
  zlexcount: ({ key }) => [key, '-', '+'],
  zrangebylex: ({ key }) => [key, '-', '+'],
  zrangebyscore: ({ key }) => [key, '0', '0'],
};

/** What gateways and workers send to the registry of their fleet beside that; a test reads the sources for them. */
const FLEET = ['pexpire', 'time', 'zadd', 'zrangebyscore', 'zrem', 'zremrangebyscore'] as const;

/** What ioredis sends by itself. */
const STANDALONE: Sent = { select: () => ['0'] };
/** Of a Cluster, beside that. */
const OPERATOR_OF_CLUSTER: Sent = { 'cluster|nodes': () => [] };
const CLUSTER: Sent = { asking: () => [], 'cluster|info': () => [], 'cluster|slots': () => [] };

/** Not known before Redis 7; what needs them does without. */
const SINCE_7 = ['acl|dryrun', 'pexpiretime'];

/** What the client itself sends, for the test that reads the sources. */
export const CLIENT_COMMANDS = {
  application: Object.keys(APPLICATION),
  operator: Object.keys(sentToOperate()),
  fleet: FLEET,
} as const satisfies Record<Role | 'fleet', readonly string[]>;

/**
 * The smallest rules for a user of the topic, in the order of an ACL SETUSER: keys, channels, commands. They take away all
 * else that the user may do, and leave its passwords.
 */
export function rightsOf(of: RightsOf): string[] {
  const { topic } = of;
  return rules(keyPatterns(topic), `${wakePrefix(topic)}*`, Object.keys(sentBy(of)));
}

/** The same of the gateways and workers of a fleet, and of who looks after it: all its topics, and its registry of models. */
export function fleetRightsOf({ fleet, ...of }: FleetRightsOf): string[] {
  return rules(fleetPatterns(fleet), wakePrefix(`${fleet}:*`) + '*', [...Object.keys(sentBy(of)), ...FLEET]);
}

function rules(keys: readonly string[], channel: string, sent: readonly string[]): string[] {
  const commands = [...new Set([...scriptCommands(SCRIPTS), ...sent])].sort();
  return [
    ...['resetkeys', 'resetchannels', '-@all'],
    ...keys.map((pattern) => `~${pattern}`),
    `&${channel}`,
    ...commands.map((command) => `+${command}`),
  ];
}

/** Commands of which the server refuses one if the user lacks any of {@link rightsOf}; they would change nothing. */
export function trialsOf(of: RightsOf): Command[] {
  const { topic } = of;
  const channel = `${wakePrefix(topic)}node`;
  const [shard, [registry]] = [shardKey(topic, 0, 'waiting'), registryKeys(topic)];
  const shardScripts = SCRIPTS.filter((name) => name !== 'register');
  const ofScripts = (names: readonly ScriptName[], key: string): Command[] =>
    scriptCommands(names).flatMap((name) => (HARMLESS[name.toUpperCase()] ? [harmless(name, key)] : []));
  // its pattern may be one of some shards only
  const shards = Array.from({ length: 16 }, (_, number) => shardKey(topic, number, 'waiting'));
  return [
    ...ofScripts(shardScripts, shard),
    ...ofScripts(['register'], registry),
    ['exists', ...shards],
    ...Object.entries(sentBy(of)).map(([name, args]): Command => {
      const [command, ...more] = name.split('|') as [string, ...string[]];
      return [command, ...more, ...args({ key: shard, channel })];
    }),
  ];
}

/** The scheduler of `dead retry` waits for no replicas. */
function sentToOperate(): Sent {
  const scheduler = Object.entries(APPLICATION).filter(([name]) => name !== 'wait');
  return { ...Object.fromEntries(scheduler), ...OPERATOR };
}

function harmless(name: string, key: string): Command {
  return [name, key, ...HARMLESS[name.toUpperCase()]!];
}

function sentBy({ role, cluster = false, before7 = false }: Omit<RightsOf, 'topic'>): Sent {
  const all = {
    ...(role === 'operator' ? sentToOperate() : APPLICATION),
    ...(cluster ? CLUSTER : STANDALONE),
    ...(cluster && role === 'operator' ? OPERATOR_OF_CLUSTER : {}),
  };
  return Object.fromEntries(Object.entries(all).filter(([name]) => !(before7 && SINCE_7.includes(name))));
}

/** What these scripts call, as the sources of lua/ say it. */
export function scriptCommands(names: readonly ScriptName[]): string[] {
  const called = names.flatMap((name) => [...embedded[name]!.text.matchAll(/\b(?:call|try)\('([A-Z]+)'/g)]);
  return [...new Set(called.map(([, command]) => command!.toLowerCase()))].sort();
}
