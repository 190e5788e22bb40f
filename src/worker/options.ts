/** What a worker is told: by a program, or by the command line, the environment and a file. */
import { ConfigError } from '../base/errors.ts';
import type { Connection, RedisSource, SchedulerOptions } from '../index.ts';
import { checkFleet, checkModelName, type RegistryClient } from '../openai/registry.ts';
import { KIND_NAMES, type KindName } from './kinds/kind.ts';

/** A model of the fleet; `servedName`: what the engine calls it, if that differs. */
export interface WorkerModel {
  name: string;
  servedName?: string;
}

export interface WorkerOptions {
  /** URL of the engine: http or https. */
  engine: string;
  /** Sent to the engine as `authorization: Bearer`. */
  engineKey?: string;
  /** Of the engine; default: found out by asking it. */
  kind?: KindName | 'auto';
  /** Gateways and workers of one fleet share models. Default `default`. */
  fleet?: string;
  /** Default: every model that the engine lists. */
  models?: readonly WorkerModel[];
  /** The worker's node; default: the host's name and the engine's port. */
  name?: string;
  /** Requests in the engine at once, at most. Default: what the engine says. */
  slots?: number;
  /** KV-cache blocks of the engine, at most. Default: what the engine says. */
  blocks?: number;
  /** Tokens in a block. Default: what the engine says. */
  blockSize?: number;
  /** Tokens that are kept for the output of each request. Default 256. */
  reserveOutput?: number;
  /** Prompt tokens of what is claimed at once; one request alone may have more. Default 8,192. */
  maxBatchedTokens?: number;
  /** Least ms from one result of a stream to the next. Default 0: as soon as the one before is accepted. */
  streamIntervalMs?: number;
  /** How often the engine is asked how it is, ms. Default 1,000. */
  probeMs?: number;
  /** How long requests may go on after a stop, ms. Default 60,000. */
  drainMs?: number;
  redis?: RedisSource;
  /** In the place of it, for the schedulers and for the registry; both are left open. */
  shared?: { connection: Connection; client: RegistryClient };
  /** Of the schedulers, one for each model. A worker's `leaseMs` is 10,000 unless it says otherwise. */
  scheduler?: Pick<
    SchedulerOptions,
    'leaseMs' | 'keepAliveMs' | 'pollMs' | 'ttlMs' | 'commandTimeout' | 'scripts'
  >;
  /** Told what an operator should know, one line each. Default: `process.emitWarning`. */
  onWarning?: (message: string) => void;
}

export type SettledOptions = Required<
  Pick<WorkerOptions, 'engine' | 'kind' | 'fleet' | 'models' | 'reserveOutput' | 'maxBatchedTokens'>
> &
  Required<Pick<WorkerOptions, 'streamIntervalMs' | 'probeMs' | 'drainMs' | 'scheduler' | 'onWarning'>> &
  Pick<WorkerOptions, 'engineKey' | 'name' | 'slots' | 'blocks' | 'blockSize' | 'redis' | 'shared'>;

const MAX = 2 ** 31 - 1;

/** @throws ConfigError */
export function settled(options: WorkerOptions): SettledOptions {
  const { kind = 'auto', fleet = 'default', models = [] } = options;
  if (kind !== 'auto' && !KIND_NAMES.includes(kind))
    throw new ConfigError('kind', kind, `one of auto, ${KIND_NAMES.join(', ')}`);
  for (const { name, servedName = name } of models) [name, servedName].forEach(checkModelName);
  const twice = models.find(({ name }, i) => models.findIndex((other) => other.name === name) < i);
  if (twice) throw new ConfigError('models', twice.name, 'a name for each model once');
  for (const name of ['slots', 'blocks', 'blockSize', 'probeMs'] as const) whole(name, options[name], 1);
  for (const name of ['reserveOutput', 'maxBatchedTokens', 'streamIntervalMs', 'drainMs'] as const)
    whole(name, options[name], 0);
  return {
    reserveOutput: 256,
    maxBatchedTokens: 8_192,
    streamIntervalMs: 0,
    probeMs: 1_000,
    drainMs: 60_000,
    onWarning: (message) => process.emitWarning(message, 'SchedLuaWorkerWarning'),
    ...given(options),
    ...{ kind, fleet: checkFleet(fleet), models },
    scheduler: { leaseMs: 10_000, ...options.scheduler },
  };
}

function given(options: WorkerOptions): WorkerOptions {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as unknown as WorkerOptions;
}

/** @throws ConfigError */
function whole(name: string, value: number | undefined, least: number): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= least && value <= MAX)) return;
  throw new ConfigError(name, value, `an integer from ${least} to ${MAX}`);
}
