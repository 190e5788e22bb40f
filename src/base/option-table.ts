/**
 * Every option of `Scheduler.start` once: its default, its check, its unit and its meaning. `settle.ts` walks the table
 * from top to bottom, so an option stands below those that its default or check is computed from. docs/options.md is
 * printed from it (`npm run docs:options`). An option that is missing here or in `SchedulerOptions` does not compile.
 */
import { SchedulerEvents } from '../observe/events.ts';
import { jsonCodec } from './codec.ts';
import { NODE_NAMES, TOPICS } from './keys.ts';
import { hostName, promptLength, requestId, warn, type Default } from './option-defaults.ts';
import {
  MAX_INT32,
  callable,
  codec,
  emitter,
  flag,
  integer,
  logger,
  matching,
  oneOf,
  replicas,
  unchecked,
  type AnySettings,
  type Kind,
} from './option-kinds.ts';
import type { LoadUnit, SchedulerOptions } from './options.ts';
import { MAX_SHARDS } from './suffixes.ts';

export interface Option<T> {
  /** One sentence, without its full stop. */
  readonly meaning: string;
  readonly unit?: 'ms' | 'bytes' | 'requests' | 'results' | 'shards' | '`loadUnit`';
  readonly default: Default<T>;
  readonly kind: Kind<T>;
}

export type OptionTable = {
  readonly [Name in keyof SchedulerOptions]-?: Option<AnySettings[Name]>;
};

/** Where the URL of Redis is looked for when it is not given. */
export const REDIS_URL_VARIABLE = 'SCHED_LUA_REDIS_URL';
export const DEFAULT_REDIS_URL = 'redis://127.0.0.1:6379';

const MIB = 2 ** 20;
const MAX_BYTES = 512 * MIB;
/** 3,465 tokens are three prompts of the mean length of Azure's conversation trace of 2023: 1,155 tokens. */
const MIN_LOAD_SCORE: Readonly<Record<LoadUnit, number>> = { requests: 3, tokens: 3465 };

/** The same whatever the other options are; a number is shown as `30,000`, a word as code. */
function always<T extends string | number | boolean>(value: T, shown?: string): Default<T> {
  return {
    // when it is asked for: the tables of Intl take a sixth of a process's start to load
    get shown() {
      return shown ?? (typeof value === 'string' ? `\`${value}\`` : value.toLocaleString('en-US'));
    },
    of: () => value,
  };
}

export const OPTIONS: OptionTable = {
  redis: {
    meaning:
      'Where Redis is: a URL, ioredis options, nodes of a Cluster, an ioredis client (duplicated, never closed), what `connect` gave, which schedulers share, or in tests an `InProcessRedis`',
    default: {
      shown: `\`${REDIS_URL_VARIABLE}\` of the environment, else \`${DEFAULT_REDIS_URL}\``,
      of: () => process.env[REDIS_URL_VARIABLE] ?? DEFAULT_REDIS_URL,
    },
    // by the connection itself, which knows the source's own options
    kind: unchecked('any form of [operating.md](operating.md#where-redis-is), no keyPrefix'),
  },
  topic: {
    meaning: 'The fleet that shares work',
    default: always('default'),
    kind: matching(TOPICS),
  },
  node: {
    meaning: "This node's name; a name that is taken gets `:1`, `:2` …",
    default: { shown: "the host's name", of: hostName },
    kind: matching(NODE_NAMES),
  },
  takeover: {
    meaning: 'Take the name even if another node holds it, with its waiting requests and unread results',
    default: always(false),
    kind: flag,
  },
  loadShards: {
    meaning: 'Shards of the topic; the home shard is crc16-ccitt-false(name) mod this',
    unit: 'shards',
    default: always(1),
    kind: integer(1, MAX_SHARDS),
  },
  loadLookup: {
    meaning: 'Shards beside the home shard that a node without work looks at',
    unit: 'shards',
    default: always(5),
    kind: integer(0, MAX_SHARDS),
  },
  loadUnit: {
    meaning: "What a node's load counts: its waiting `requests`, or the prompt `tokens` of these",
    default: always('requests'),
    kind: oneOf('requests', 'tokens'),
  },
  minLoadScore: {
    meaning: 'Load from which a peer may be stolen from',
    unit: '`loadUnit`',
    default: {
      shown: '3 requests, or 3,465 tokens',
      of: ({ loadUnit }) => MIN_LOAD_SCORE[loadUnit],
    },
    kind: integer(1, MAX_INT32),
  },
  policy: {
    meaning: 'Whose requests a node claims: `oldest`, `lucky` or `none`',
    default: always('oldest'),
    kind: oneOf('oldest', 'lucky', 'none'),
  },
  leaseMs: {
    meaning: 'How long a claim is valid without a refresh',
    unit: 'ms',
    default: always(30_000),
    kind: integer(100, Math.floor(MAX_INT32 / 2)),
  },
  stealAfterMs: {
    meaning:
      "Age at which a peer's first request may be stolen whatever the peer's load; a front's may be at once",
    unit: 'ms',
    default: {
      shown: '20 for `oldest`, else `leaseMs`',
      of: ({ policy, leaseMs }) => (policy === 'oldest' ? 20 : leaseMs),
    },
    kind: integer(0, Math.floor(MAX_INT32 / 2)),
  },
  keepAliveMs: {
    meaning: "How long a node's name is valid without a renewal, which comes every half of this",
    unit: 'ms',
    default: always(30_000),
    kind: integer(100, MAX_INT32),
  },
  ttlMs: {
    meaning:
      'From put to deadline of a request without one of its own; what is unused is kept for the longest of its topic',
    unit: 'ms',
    default: always(900_000),
    kind: integer(200, MAX_INT32),
  },
  pollMs: {
    meaning: 'How often an idle node asks for work, in case a wake-up was lost',
    unit: 'ms',
    default: always(2000),
    kind: integer(10, Math.floor(MAX_INT32 / 4)),
  },
  patienceMs: {
    meaning: 'After how long an engine keeps room for a request that does not fit',
    unit: 'ms',
    default: always(2000),
    kind: integer(0, MAX_INT32),
  },
  commandTimeout: {
    meaning: 'How long a call waits for Redis before it rejects with TIMEOUT',
    unit: 'ms',
    default: always(10_000),
    kind: integer(1, MAX_INT32),
  },
  tries: {
    meaning: 'Runners that may lose a request before it ends as failed',
    default: always(3),
    kind: integer(1, 255),
  },
  onRestart: {
    meaning:
      'When a later attempt begins after results were delivered: `restart` delivers a marker, `fail` ends it',
    default: always('restart'),
    kind: oneOf('restart', 'fail'),
  },
  onOwnerLoss: {
    meaning:
      "What becomes of this node's requests when it is lost, that is silent for `keepAliveMs`, or `leaseMs` if that is longer",
    default: always('finish'),
    kind: oneOf('finish', 'abort'),
  },
  maxWaiting: {
    meaning: 'When this many requests of this node wait, puts are refused with FULL',
    unit: 'requests',
    default: always(100_000),
    kind: integer(1, MAX_INT32),
  },
  maxResults: {
    meaning:
      'Results that may wait in Redis for a slow owner, and in the owner for the reader of a request (at least 128); one chunk more ends its request as failed',
    unit: 'results',
    default: always(10_000),
    kind: integer(1, MAX_INT32),
  },
  flushMs: {
    meaning:
      'How long a chunk waits for others, to go to Redis with them; an end never waits, and takes with it what does',
    unit: 'ms',
    default: always(0),
    kind: integer(0, Math.floor(MAX_INT32 / 6)),
  },
  maxUnread: {
    meaning: 'When this many results of a request wait for their reader, its runner is asked to wait',
    unit: 'results',
    default: always(1_000),
    kind: integer(1, MAX_INT32),
  },
  maxUnreadBytes: {
    meaning: 'The same in bytes; with 16 times as many the request ends as failed',
    unit: 'bytes',
    default: always(4 * MIB, '4 MiB'),
    kind: integer(1, MAX_BYTES),
  },
  readTimeoutMs: {
    meaning: 'How long its runner may be kept waiting while nothing is read; then the request ends as failed',
    unit: 'ms',
    default: always(60_000),
    kind: integer(1, MAX_INT32),
  },
  deadLetter: {
    meaning:
      "Which of this node's requests are kept in `dead` when they end: `lost`, `failed` too, or `all` but finished and cancelled ones",
    default: always('lost'),
    kind: oneOf('lost', 'failed', 'all'),
  },
  maxDeadBodyBytes: {
    meaning:
      'Largest encoded request that is kept in `dead` with its body, so that it can be retried; 0: none is',
    unit: 'bytes',
    default: always(64 * 1024, '64 KiB'),
    kind: integer(0, MAX_BYTES),
  },
  maxBodyBytes: {
    meaning: 'Largest encoded request',
    unit: 'bytes',
    default: always(16 * MIB, '16 MiB'),
    kind: integer(1, MAX_BYTES),
  },
  maxResultBytes: {
    meaning: 'Largest encoded result',
    unit: 'bytes',
    default: always(MIB, '1 MiB'),
    kind: integer(1, MAX_BYTES),
  },
  waitReplicas: {
    meaning: 'Replicas that each put waits for, and how many ms at most',
    default: { shown: 'no wait', of: () => undefined },
    kind: replicas,
  },
  scripts: {
    meaning: 'How scripts reach Redis: `auto` sends what is missing, `preloaded` relies on `sched-lua load`',
    default: always('auto'),
    kind: oneOf('auto', 'preloaded'),
  },
  codec: {
    meaning: 'Encodes and decodes requests: `json`, `tokens`, or a codec of your own',
    default: { shown: '`json`', of: () => jsonCodec() },
    kind: codec,
  },
  outputCodec: {
    meaning: 'Encodes and decodes outputs: `json`, `tokens`, or a codec of your own',
    default: { shown: '`json`', of: () => jsonCodec() },
    kind: codec,
  },
  idOf: {
    meaning: "Reads a request's id",
    default: { shown: '`request.request_id`', of: () => requestId },
    kind: callable(),
  },
  promptTokensOf: {
    meaning: "Reads a request's prompt length in tokens",
    default: { shown: '`request.prompt_token_ids.length`', of: () => promptLength },
    kind: callable(),
  },
  events: {
    meaning: 'Is told what happens; docs/events.md lists the events',
    default: { shown: 'one of its own', of: () => new SchedulerEvents() },
    kind: emitter,
  },
  logger: {
    meaning:
      'Is told, line by line, of lost connections, slow shards, lost claims, its engine, and each warning',
    default: { shown: 'none', of: () => undefined },
    kind: logger,
  },
  onWarning: {
    meaning: 'Is told what an operator should know: server settings, a shard that does not answer',
    default: {
      shown: '`process.emitWarning`; with a `logger` nothing, as that is told',
      of: ({ logger }) => (logger ? () => undefined : warn),
    },
    kind: callable(),
  },
};
