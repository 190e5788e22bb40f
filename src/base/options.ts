import { hostname } from 'node:os';
import { jsonCodec, type Codec } from './codec.ts';
import type { RedisSource } from '../redis/connection.ts';
import { SchedulerEvents } from '../observe/events.ts';
import { ConfigError } from './errors.ts';
import { checkNodeName, checkTopic } from './keys.ts';
import type { ScriptMode } from '../redis/run-script.ts';

/** From whom a node without work of its own takes some; see {@link SchedulerOptions.policy}. */
export type StealPolicy = 'oldest' | 'lucky' | 'none';

/** How many replicas, and how many ms, a put waits for; see {@link SchedulerOptions.waitReplicas}. */
export interface WaitReplicas {
  replicas: number;
  timeoutMs: number;
}

/** What a node's load counts; see {@link SchedulerOptions.loadUnit}. */
export type LoadUnit = 'requests' | 'tokens';

const MIN_LOAD_SCORE: Readonly<Record<LoadUnit, number>> = { requests: 3, tokens: 3465 };

/** Options of `Scheduler.start`. Times are ms, sizes bytes. */
export interface SchedulerOptions<Request = unknown, Output = unknown> {
  /** A URL, ioredis options, or an ioredis client (duplicated, never closed). Default: SCHED_LUA_REDIS_URL or redis://127.0.0.1:6379. */
  redis?: RedisSource;
  /** The fleet that shares work. Default `default`. */
  topic?: string;
  /** This node's name; taken names get `:1`, `:2` … Default: the host's name. */
  node?: string;
  /** Take the name whoever holds it, with its waiting requests and unread results. Default false. */
  takeover?: boolean;
  /** Load shards of the topic; the home shard is crc16-ccitt-false(name) mod this. Default 1. */
  loadShards?: number;
  /** Shards beside the home shard that a node without work looks at. Default 5. */
  loadLookup?: number;
  /**
   * What a node's load, and so {@link minLoadScore}, counts: its waiting `requests`, or the prompt `tokens` of these (each
   * at least 1). The same for all nodes of a topic: a node with another unit than the topic's does not start while one of
   * them is registered or a request waits. Default `requests`.
   */
  loadUnit?: LoadUnit;
  /**
   * Load from which a peer may be stolen from, in {@link loadUnit}. Default 3 requests, or 3,465 tokens: three prompts of
   * the mean length of Azure's conversation trace of 2023 (1,155 tokens).
   */
  minLoadScore?: number;
  /**
   * `oldest`: one line across owners, so queueing delay is that of one central queue; a flooding node delays all.
   * `lucky`: the reference's rule, own requests first, then half a batch from a random loaded peer.
   * `none`: every node serves its own. Default `oldest`.
   *
   * By `npm run fleet` (Azure's conversation trace, 8 nodes, 30 % of the requests at one, load 0.9, three seeds) the 99th
   * percentile of the queueing delay is 1.03 to 1.12 times that of one ideal central queue with `oldest`; with the
   * reference's algorithm it is 2.8 to 3.1. At load 0.6 with balanced owners `oldest` steals 2 to 4 %.
   */
  policy?: StealPolicy;
  /**
   * Age at which a peer's first request may be stolen whatever its load; by `oldest` also by how much it must be older than
   * the first of the node's own. An owner that waits for work and said when its engine can begin (`readyInMs`) keeps what it
   * puts until then, if that is within six times this. Default 20 for `oldest`, leaseMs for `lucky`.
   */
  stealAfterMs?: number;
  /** How long a claim stands without a refresh. Default 30,000. */
  leaseMs?: number;
  /** How long a name stands without a renewal (every half of it). Default 30,000. */
  keepAliveMs?: number;
  /** From put to final unless the request has a deadline of its own; also when unused keys expire. Default 900,000. */
  ttlMs?: number;
  /** Fallback poll of an idle node, should a wake-up be lost. Default 2,000. */
  pollMs?: number;
  /** How long a call waits for Redis before it rejects with TIMEOUT. Default 10,000. */
  commandTimeout?: number;
  /** Runners that may lose a request before it is given up as failed. Default 3. */
  tries?: number;
  /** What an owner does when a later attempt begins after results were delivered. Default `restart`: a marker. */
  onRestart?: 'restart' | 'fail';
  /** Waiting requests of this node from which puts are refused with FULL. Default 100,000. */
  maxWaiting?: number;
  /** Results that may wait for a slow owner before chunks overflow. Default 10,000. */
  maxResults?: number;
  /** Largest encoded request. Default 16 MiB. */
  maxBodyBytes?: number;
  /** Largest encoded result. Default 1 MiB. */
  maxResultBytes?: number;
  /**
   * Each put waits until so many replicas have it, at most `timeoutMs` (from 1 to a third of commandTimeout). Unmet, the
   * request is accepted all the same, and its outcome of `putRequests` says `replicated: false`. Puts then have a connection
   * of their own, and one that waits holds up those behind it. Default: no wait.
   */
  waitReplicas?: WaitReplicas;
  /** `auto` sends scripts where they are missing; `preloaded` only EVALSHA, after `sched-lua load`. Default `auto`. */
  scripts?: ScriptMode;
  /** Default JSON. */
  codec?: Codec<Request>;
  /** Codec of outputs. Default JSON. */
  outputCodec?: Codec<Output>;
  /** A request's id. Default `request.request_id`. */
  idOf?: (request: Request) => string;
  /** A request's prompt length in tokens. Default `request.prompt_token_ids.length`. */
  promptTokensOf?: (request: Request) => number;
  /** Told what happens; see `docs/events.md`. One emitter may serve several schedulers. Default: one of its own. */
  events?: SchedulerEvents;
  /** Told what an operator should know (server settings, a lost lease). Default `process.emitWarning`. */
  onWarning?: (message: string) => void;
}

export type Settings<Request, Output> = Readonly<
  Required<Omit<SchedulerOptions<Request, Output>, 'waitReplicas'>> & {
    waitReplicas: WaitReplicas | undefined;
  }
>;

/** The settings that do not depend on what a request is. */
export type Rules = Omit<Settings<unknown, unknown>, 'codec' | 'outputCodec' | 'idOf' | 'promptTokensOf'>;

const MAX_MS = 2 ** 31 - 1;

function integer(
  option: string,
  value: number | undefined,
  standard: number,
  least: number,
  most: number,
): number {
  const chosen = value ?? standard;
  if (Number.isInteger(chosen) && chosen >= least && chosen <= most) return chosen;
  throw new ConfigError(option, chosen, `an integer from ${least} to ${most}`);
}

function word<T extends string>(option: string, value: T | undefined, words: readonly [T, ...T[]]): T {
  const chosen = value ?? words[0];
  if (words.includes(chosen)) return chosen;
  throw new ConfigError(option, chosen, `one of ${words.join(', ')}`);
}

function callable<T>(option: string, value: T | undefined, standard: T): T {
  const chosen = value ?? standard;
  if (typeof chosen === 'function') return chosen;
  throw new ConfigError(option, chosen, 'a function');
}

function codec<T>(option: string, value: Codec<T> | undefined): Codec<T> {
  const chosen = value ?? jsonCodec<T>();
  if (typeof chosen.encode === 'function' && typeof chosen.decode === 'function') return chosen;
  throw new ConfigError(option, chosen, 'an object with the functions encode and decode');
}

function waitReplicas(value: WaitReplicas | undefined, commandTimeout: number): WaitReplicas | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'object')
    throw new ConfigError('waitReplicas', value, 'an object with replicas and timeoutMs');
  const { replicas, timeoutMs } = value as Partial<WaitReplicas>;
  return {
    replicas: integer('waitReplicas.replicas', replicas, NaN, 1, 1000),
    // a put may wait behind another one's wait and still be answered in time
    timeoutMs: integer('waitReplicas.timeoutMs', timeoutMs, NaN, 1, Math.floor(commandTimeout / 3)),
  };
}

function defaultName(): string {
  return (
    hostname()
      .replace(/[^A-Za-z0-9._:-]/g, '-')
      .slice(0, 120) || 'node'
  );
}

function defaultId(request: unknown): string {
  return (request as { request_id: string }).request_id;
}

function defaultPromptTokens(request: unknown): number {
  return (request as { prompt_token_ids: { length: number } }).prompt_token_ids.length;
}

const KNOWN: Record<keyof SchedulerOptions, true> = {
  redis: true,
  topic: true,
  node: true,
  takeover: true,
  loadShards: true,
  loadLookup: true,
  loadUnit: true,
  minLoadScore: true,
  policy: true,
  stealAfterMs: true,
  leaseMs: true,
  keepAliveMs: true,
  ttlMs: true,
  pollMs: true,
  commandTimeout: true,
  tries: true,
  onRestart: true,
  maxWaiting: true,
  maxResults: true,
  maxBodyBytes: true,
  maxResultBytes: true,
  waitReplicas: true,
  scripts: true,
  codec: true,
  outputCodec: true,
  idOf: true,
  promptTokensOf: true,
  events: true,
  onWarning: true,
};

/**
 * Options with every default filled in.
 * @throws ConfigError naming the first option that is wrong, its value and what is allowed
 */
export function settle<Request, Output>(
  options: SchedulerOptions<Request, Output>,
): Settings<Request, Output> {
  for (const [name, value] of Object.entries(options)) {
    if (!(name in KNOWN)) throw new ConfigError(name, value, 'no option of this name');
    if (value === null) throw new ConfigError(name, value, 'a value, or nothing for the default');
  }
  const policy = word('policy', options.policy, ['oldest', 'lucky', 'none']);
  const loadUnit = word('loadUnit', options.loadUnit, ['requests', 'tokens']);
  const leaseMs = integer('leaseMs', options.leaseMs, 30_000, 100, MAX_MS);
  const takeover = options.takeover ?? false;
  if (typeof takeover !== 'boolean') throw new ConfigError('takeover', takeover, 'true or false');
  const commandTimeout = integer('commandTimeout', options.commandTimeout, 10_000, 1, MAX_MS);
  return {
    redis: options.redis ?? process.env['SCHED_LUA_REDIS_URL'] ?? 'redis://127.0.0.1:6379',
    topic: checkTopic(options.topic ?? 'default'),
    node: checkNodeName(options.node ?? defaultName()),
    takeover,
    loadShards: integer('loadShards', options.loadShards, 1, 1, 65_536),
    loadLookup: integer('loadLookup', options.loadLookup, 5, 0, 65_536),
    loadUnit,
    minLoadScore: integer('minLoadScore', options.minLoadScore, MIN_LOAD_SCORE[loadUnit], 1, MAX_MS),
    policy,
    stealAfterMs: integer(
      'stealAfterMs',
      options.stealAfterMs,
      policy === 'oldest' ? 20 : leaseMs,
      0,
      MAX_MS,
    ),
    leaseMs,
    keepAliveMs: integer('keepAliveMs', options.keepAliveMs, 30_000, 100, MAX_MS),
    ttlMs: integer('ttlMs', options.ttlMs, 900_000, 100, MAX_MS),
    pollMs: integer('pollMs', options.pollMs, 2000, 10, MAX_MS),
    commandTimeout,
    tries: integer('tries', options.tries, 3, 1, 255),
    onRestart: word('onRestart', options.onRestart, ['restart', 'fail']),
    maxWaiting: integer('maxWaiting', options.maxWaiting, 100_000, 1, MAX_MS),
    maxResults: integer('maxResults', options.maxResults, 10_000, 1, MAX_MS),
    maxBodyBytes: integer('maxBodyBytes', options.maxBodyBytes, 16 * 2 ** 20, 1, 512 * 2 ** 20),
    maxResultBytes: integer('maxResultBytes', options.maxResultBytes, 2 ** 20, 1, 512 * 2 ** 20),
    waitReplicas: waitReplicas(options.waitReplicas, commandTimeout),
    scripts: word('scripts', options.scripts, ['auto', 'preloaded']),
    codec: codec('codec', options.codec),
    outputCodec: codec('outputCodec', options.outputCodec),
    idOf: callable('idOf', options.idOf, defaultId),
    promptTokensOf: callable('promptTokensOf', options.promptTokensOf, defaultPromptTokens),
    events: options.events ?? new SchedulerEvents(),
    onWarning: callable('onWarning', options.onWarning, (message) =>
      process.emitWarning(message, 'SchedLua'),
    ),
  };
}
