/** What the worker can be told: the names, the defaults, and what is allowed, of each option. */
import { ConfigError } from '../base/errors.ts';
import { checkFleet } from '../openai/registry.ts';
import { readSettings, type Given, type Table } from '../service/settings.ts';
import {
  addressOrOff,
  addressText,
  checkName,
  choiceOf,
  durationOf,
  durationOrNone,
  integerOf,
  listOf,
  textOf,
  type Address,
} from '../service/values.ts';
import { KIND_NAMES, type KindName } from './kinds/kind.ts';
import type { WorkerModel } from './options.ts';

/** Times are ms. Undefined: as the engine says, or as the help says. */
export interface WorkerSettings {
  engine: string | undefined;
  engineKeyFile: string | undefined;
  kind: KindName | 'auto';
  fleet: string;
  /** None: all that the engine lists. */
  models: readonly WorkerModel[];
  name: string | undefined;
  slots: number | undefined;
  blocks: number | undefined;
  blockSize: number | undefined;
  reserveOutput: number;
  maxBatchedTokens: number;
  streamInterval: number;
  probe: number;
  lease: number;
  drain: number;
  /** Undefined: nowhere. */
  metricsListen: Address | undefined;
}

const MAX = 2 ** 31 - 1;

/** In the order of the help. */
export const WORKER_SETTINGS: Table<WorkerSettings> = {
  engine: { argument: 'url', help: 'the engine, e.g. http://127.0.0.1:8000', read: textOf },
  engineKeyFile: { argument: 'file', help: 'file with the key that the engine asks for', read: textOf },
  kind: {
    argument: 'kind',
    fallback: 'auto',
    help: 'auto, openai, vllm, sglang, tgi, llamacpp or fastdeploy',
    read: choiceOf(['auto', ...KIND_NAMES]),
  },
  fleet: {
    argument: 'name',
    fallback: 'default',
    help: 'gateways and workers of one fleet share models',
    read: (_, given) => checkFleet(given),
  },
  models: {
    argument: 'name[=served]',
    flag: 'model',
    fallback: [],
    help: 'a model of the fleet, and what the engine calls it; may be repeated (default: all that the engine lists)',
    isList: true,
    read: listOf(modelOf),
  },
  name: {
    argument: 'node',
    help: "the worker's name (default: host and port of the engine)",
    read: checkName,
  },
  slots: {
    argument: 'n',
    help: 'requests in the engine at once, at most (default: as it says)',
    read: integerOf(1, MAX),
  },
  blocks: {
    argument: 'n',
    help: 'KV-cache blocks of the engine, at most (default: as it says)',
    read: integerOf(1, MAX),
  },
  blockSize: { argument: 'n', help: 'tokens in a block (default: as it says)', read: integerOf(1, MAX) },
  reserveOutput: {
    argument: 'n',
    fallback: 256,
    help: 'tokens kept for the output of each request',
    read: integerOf(0, MAX),
  },
  maxBatchedTokens: {
    argument: 'n',
    fallback: 8192,
    help: 'prompt tokens taken at once',
    read: integerOf(0, MAX),
  },
  streamInterval: {
    argument: 'time',
    fallback: '0ms',
    help: 'least time from one result of a stream to the next',
    read: durationOrNone,
  },
  probe: {
    argument: 'time',
    fallback: '1s',
    help: 'how often the engine is asked how it is',
    read: durationOf,
  },
  lease: {
    argument: 'time',
    fallback: '10s',
    help: 'how long requests stay with a worker that is silent',
    read: leaseOf,
  },
  drain: {
    argument: 'time',
    fallback: '60s',
    help: 'how long requests may go on after SIGTERM',
    read: durationOrNone,
  },
  metricsListen: {
    argument: 'host:port',
    also: 'listen',
    fallback: '127.0.0.1:9465',
    help: '/health, /ready and /metrics, or off',
    read: addressOrOff,
    show: addressText,
  },
};

/** @throws ConfigError naming what is not allowed, and where it was given */
export function readWorker(given: Given): WorkerSettings {
  return readSettings('worker', WORKER_SETTINGS, given);
}

/** What schedulers take. */
function leaseOf(option: string, given: unknown): number {
  const ms = durationOf(option, given);
  if (ms >= 1_000 && ms <= 300_000) return ms;
  throw new ConfigError(option, given, 'a time from 1s to 5m');
}

function modelOf(option: string, given: string): WorkerModel {
  const at = given.indexOf('=');
  const [name, served] = at < 0 ? [given, undefined] : [given.slice(0, at), given.slice(at + 1)];
  if (name === '' || served === '') throw new ConfigError(option, given, 'a name, or NAME=SERVED');
  return { name, ...(served === undefined ? {} : { servedName: served }) };
}
