/**
 * The options of a scheduler, as types. Each option's default and check stand in `option-table.ts`, from which
 * docs/options.md is printed; a test compares the docstrings here with that table.
 */
import type { ClusterOptions, RedisOptions } from 'ioredis';
import type { SchedulerEvents } from '../observe/events.ts';
import type { Logger } from '../observe/log.ts';
import type { Codec, CodecName } from './codec.ts';
import type { StandIn } from './stand-in.ts';

/**
 * A `Redis` or a `Cluster` of ioredis 5.11 or newer, or 6, by its shape: it may be of another copy, or another version, of
 * ioredis than this package has. A client of any other library is refused at the start.
 */
export interface RedisClient {
  readonly status: string;
  readonly options: object;
  duplicate(...args: never[]): object;
  defineCommand(...args: never[]): void;
}

/** A node of a Redis Cluster: its place, `host:port`, a `redis://` or `rediss://` URL, or a port of this machine. */
export type ClusterNode =
  string | number | Pick<RedisOptions, 'host' | 'port' | 'username' | 'password' | 'tls'>;

/**
 * A Redis Cluster by some of its nodes, of which the others are learnt. Beside them stand options of ioredis: those that its
 * `Cluster` knows are of the Cluster, all others (`username`, `password`, `tls` ...) of the connection to each node.
 */
export type ClusterSource = { readonly cluster: readonly ClusterNode[] } & ClusterOptions &
  Omit<RedisOptions, 'host' | 'port' | 'path' | 'sentinels' | 'name' | keyof ClusterOptions>;

/**
 * Where Redis is: a URL, ioredis options, nodes of a Redis Cluster, or an ioredis client (it is duplicated, and never closed by
 * us). In unit tests, an `InProcessRedis` of `sched-lua/testing`. docs/operating.md has every form.
 */
export type RedisSource =
  string | RedisOptions | ClusterSource | readonly ClusterNode[] | RedisClient | StandIn;

/**
 * Connections that several schedulers of a process share, however many topics they are in, as `connect` makes them. Nothing else
 * that looks like it is taken.
 */
export interface SharedConnection extends AsyncDisposable {
  /** No scheduler may start with it any more. */
  readonly closed: boolean;
  /** Takes no scheduler any more, and resolves when the last that uses it has closed. */
  close(): Promise<void>;
}

/** How scripts reach the server: `auto` sends the text where it is missing, `preloaded` only ever sends EVALSHA. */
export type ScriptMode = 'auto' | 'preloaded';

/** From whom a node without work of its own takes some; see {@link SchedulerOptions.policy}. */
export type StealPolicy = 'oldest' | 'lucky' | 'none';

/** How many replicas, and how many ms, a put waits for; see {@link SchedulerOptions.waitReplicas}. */
export interface WaitReplicas {
  replicas: number;
  timeoutMs: number;
}

/** What the loss of the node that accepted a request does to it; see {@link SchedulerOptions.onOwnerLoss}. */
export type OnOwnerLoss = 'finish' | 'abort';

/** Which requests are kept when they end; see {@link SchedulerOptions.deadLetter}. */
export type DeadLetter = 'lost' | 'failed' | 'all';

/** What a node's load counts; see {@link SchedulerOptions.loadUnit}. */
export type LoadUnit = 'requests' | 'tokens';

/**
 * Options of `Scheduler.start`. Times are ms, sizes bytes. Each may be left out. A docstring begins with the meaning and
 * says the default as in docs/options.md, which also lists what is allowed.
 */
export interface SchedulerOptions<Request = unknown, Output = unknown> {
  /**
   * Where Redis is: a URL, ioredis options, nodes of a Cluster, an ioredis client (duplicated, never closed), what `connect` gave,
   * which schedulers share, or in tests an `InProcessRedis`. Default: `SCHED_LUA_REDIS_URL` of the environment, else `redis://127.0.0.1:6379`.
   */
  redis?: RedisSource | SharedConnection;
  /** The fleet that shares work. Default: `default`. */
  topic?: string;
  /** This node's name; a name that is taken gets `:1`, `:2` … Default: the host's name. */
  node?: string;
  /**
   * Take the name even if another node holds it, with its waiting requests and unread results. That node is evicted.
   * Default: false.
   */
  takeover?: boolean;
  /** Shards of the topic; the home shard is crc16-ccitt-false(name) mod this. Default: 1. */
  loadShards?: number;
  /** Shards beside the home shard that a node without work looks at. Default: 5. */
  loadLookup?: number;
  /**
   * What a node's load counts: its waiting `requests`, or the prompt `tokens` of these. A prompt counts as one token at
   * least. The unit is the same for all nodes of a topic: a node with another one than the topic's does not start while a
   * node is registered or a request waits. Default: `requests`.
   */
  loadUnit?: LoadUnit;
  /**
   * Load from which a peer may be stolen from, in {@link loadUnit}. 3,465 tokens are three prompts of the mean length of
   * Azure's conversation trace of 2023 (1,155 tokens). Default: 3 requests, or 3,465 tokens.
   */
  minLoadScore?: number;
  /**
   * Whose requests a node claims: `oldest`, `lucky` or `none`.
   *
   * - `oldest`: one line across owners, so that the queueing delay is that of one central queue; a node that floods the
   *   fleet delays all.
   * - `lucky`: FastDeploy's rule, own requests first, then half a batch from a random loaded peer.
   * - `none`: only its own.
   *
   * By `npm run fleet` (Azure's conversation trace, 8 nodes, 30 % of the requests at one, load 0.9, three seeds) the 99th
   * percentile of the queueing delay is 1.03 to 1.12 times that of one ideal central queue with `oldest`; with FastDeploy's
   * algorithm it is 2.8 to 3.1 times. At load 0.6 with balanced owners `oldest` steals 2 to 4 % of the requests.
   * Default: `oldest`.
   */
  policy?: StealPolicy;
  /** How long a claim is valid without a refresh. Default: 30,000. */
  leaseMs?: number;
  /**
   * Age at which a peer's first request may be stolen whatever the peer's load; a front's may be at once. A front is a node
   * that has never asked for work. With `oldest` the request must also be older by this than the first of the node's own. An
   * owner that waits for work, and has said when its engine can begin (`readyInMs`), keeps what it puts until then, if that is
   * within six times this. Default: 20 for `oldest`, else `leaseMs`.
   */
  stealAfterMs?: number;
  /** How long a node's name is valid without a renewal, which comes every half of this. Default: 30,000. */
  keepAliveMs?: number;
  /**
   * From put to deadline of a request without one of its own; what is unused is kept for the longest of its topic.
   * Default: 900,000.
   */
  ttlMs?: number;
  /** How often an idle node asks for work, in case a wake-up was lost. Default: 2,000. */
  pollMs?: number;
  /**
   * After how long an engine keeps room for a request that does not fit: until then, younger ones that fit may pass it. The
   * engine then takes none younger until that one starts. Default: 2,000.
   */
  patienceMs?: number;
  /** How long a call waits for Redis before it rejects with TIMEOUT. Default: 10,000. */
  commandTimeout?: number;
  /** Runners that may lose a request before it ends as failed. Default: 3. */
  tries?: number;
  /**
   * When a later attempt begins after results were delivered: `restart` delivers a marker, `fail` ends it.
   * Default: `restart`.
   */
  onRestart?: 'restart' | 'fail';
  /**
   * What becomes of this node's requests when it is lost, that is silent for `keepAliveMs`, or `leaseMs` if that is longer:
   * with `finish` they are executed, and their results wait for a successor; with `abort` they end as cancelled, waiting or
   * running, and the signals of their handlers fire. A put may say otherwise. Default: `finish`.
   */
  onOwnerLoss?: OnOwnerLoss;
  /** When this many requests of this node wait, puts are refused with FULL. Default: 100,000. */
  maxWaiting?: number;
  /**
   * Results that may wait in Redis for a slow owner, and in the owner for the reader of a request (at least 128); one chunk
   * more ends its request as failed. Default: 10,000.
   */
  maxResults?: number;
  /**
   * How long a chunk waits for others, to go to Redis with them; an end never waits, and takes with it what does. With 0 it waits
   * for those of the same turn of the event loop, and for the call in flight. `flush()` ends the wait. Default: 0.
   */
  flushMs?: number;
  /**
   * When this many results of a request wait for their reader, its runner is asked to wait: the handler's next chunk is not
   * asked for until half of them have been read. Default: 1,000.
   */
  maxUnread?: number;
  /** The same in bytes; with 16 times as many the request ends as failed. Default: 4 MiB. */
  maxUnreadBytes?: number;
  /**
   * How long its runner may be kept waiting while nothing is read; then the request ends as failed, as its engine could
   * serve another. Default: 60,000.
   */
  readTimeoutMs?: number;
  /**
   * Which of this node's requests are kept in `dead` when they end: `lost`, `failed` too, or `all` but finished and cancelled
   * ones. `lost` are those that no runner was left for, and those that a runner could not decode; `all` has the expired, too.
   * It is the owner's, so that one topic may have requests whose failures are looked after and others whose are not.
   * Default: `lost`.
   */
  deadLetter?: DeadLetter;
  /**
   * Largest encoded request that is kept in `dead` with its body, so that it can be retried; 0: none is. A shard keeps about
   * 1,000 requests for a day, so with many shards, or large requests, think of the memory of Redis. Default: 64 KiB.
   */
  maxDeadBodyBytes?: number;
  /** Largest encoded request. Default: 16 MiB. */
  maxBodyBytes?: number;
  /** Largest encoded result. Default: 1 MiB. */
  maxResultBytes?: number;
  /**
   * Replicas that each put waits for, and how many ms at most. When the time is over,
   * the request is accepted all the same, and its outcome of `putRequests` says `replicated: false`. Puts then have a
   * connection of their own, and one that waits holds up those behind it. Default: no wait.
   */
  waitReplicas?: WaitReplicas;
  /**
   * How scripts reach Redis: `auto` sends what is missing, `preloaded` relies on `sched-lua load` and sends only EVALSHA.
   * Default: `auto`.
   */
  scripts?: ScriptMode;
  /**
   * Encodes and decodes requests: `json`, `tokens`, or a codec of your own. With `tokens`, fields that are a `Uint32Array` or an
   * `Int32Array` travel as they are, which for prompts of thousands of tokens is many times cheaper; all else is JSON.
   * `tokensCodec()` gives the same codec, and takes options. Default: `json`.
   */
  codec?: CodecName | Codec<Request>;
  /** Encodes and decodes outputs: `json`, `tokens`, or a codec of your own. Default: `json`. */
  outputCodec?: CodecName | Codec<Output>;
  /** Reads a request's id. Default: `request.request_id`. */
  idOf?: (request: Request) => string;
  /** Reads a request's prompt length in tokens. Default: `request.prompt_token_ids.length`. */
  promptTokensOf?: (request: Request) => number;
  /**
   * Is told what happens; docs/events.md lists the events. One emitter may serve several schedulers.
   * Default: one of its own.
   */
  events?: SchedulerEvents;
  /**
   * Is told, line by line, of lost connections, slow shards, lost claims, its engine, and each warning; see docs/operating.md.
   * `console` is one, and most others are. What comes again soon is told in one line. Default: none.
   */
  logger?: Logger;
  /**
   * Is told what an operator should know: server settings, a shard that does not answer.
   * Default: `process.emitWarning`; with a `logger` nothing, as that is told.
   */
  onWarning?: (message: string) => void;
}

/** Options with every default filled in. */
export type Settings<Request, Output> = Readonly<
  Required<Omit<SchedulerOptions<Request, Output>, 'waitReplicas' | 'codec' | 'outputCodec' | 'logger'>> & {
    logger: Logger | undefined;
    waitReplicas: WaitReplicas | undefined;
    codec: Codec<Request>;
    outputCodec: Codec<Output>;
  }
>;

/** The settings that do not depend on what a request is. */
export type Rules = Omit<Settings<unknown, unknown>, 'codec' | 'outputCodec' | 'idOf' | 'promptTokensOf'>;
