/**
 * `sched-lua worker`, without its command line: serves until it is told to stop, and says how that went.
 */
import { readFileSync } from 'node:fs';
import { ConfigError, messageOf } from '../base/errors.ts';
import type { RedisSource } from '../index.ts';
import { Operators, type Operated } from '../service/operators.ts';
import { untilStopped } from '../service/stop.ts';
import { addressText } from '../service/values.ts';
import { metricsText } from './metrics.ts';
import type { WorkerOptions } from './options.ts';
import type { WorkerSettings } from './settings.ts';
import { Worker } from './worker.ts';

/** @throws ConfigError if there is no engine, or the file of its key cannot be read or is empty */
export function optionsOf(settings: WorkerSettings): WorkerOptions {
  const { engine, engineKeyFile, streamInterval, probe, lease, drain, name, slots, blocks, blockSize } =
    settings;
  const { kind, fleet, models, reserveOutput, maxBatchedTokens } = settings;
  if (engine === undefined)
    throw new ConfigError('engine', undefined, 'a URL', 'engine: give the URL of the engine as --engine');
  return {
    ...{ engine, kind, fleet, models, reserveOutput, maxBatchedTokens },
    ...(name === undefined ? {} : { name }),
    ...(slots === undefined ? {} : { slots }),
    ...(blocks === undefined ? {} : { blocks }),
    ...(blockSize === undefined ? {} : { blockSize }),
    ...{ streamIntervalMs: streamInterval, probeMs: probe, drainMs: drain, scheduler: { leaseMs: lease } },
    ...(engineKeyFile === undefined ? {} : { engineKey: keyOf(engineKeyFile) }),
  };
}

function keyOf(path: string): string {
  let key: string;
  try {
    key = readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new ConfigError('engineKeyFile', path, 'a file', `engineKeyFile: ${messageOf(error)}`);
  }
  if (/^[\x21-\x7e]+$/.test(key)) return key;
  throw new ConfigError('engineKeyFile', path, 'a file with one key', `engineKeyFile: ${path} holds no key`);
}

/** What operators hear of a worker. */
export function operatedOf(worker: Worker): Operated {
  return { unready: () => worker.unready, metricsText: () => metricsText(worker.figures) };
}

export interface Serving {
  redis: RedisSource;
  /** One line for people. */
  say: (line: string) => void;
  /** Fires when the worker is to stop. */
  stop: AbortSignal;
}

/**
 * Serves until `stop` fires, then drains.
 * @throws ConfigError, SchedulerError
 */
export async function serve(
  settings: WorkerSettings,
  { redis, say, stop }: Serving,
): Promise<{ models: string[]; node: string }> {
  const options = optionsOf(settings);
  let worker: Worker | undefined;
  const { metricsListen } = settings;
  const operated = (): Operated | undefined => worker && operatedOf(worker);
  const operators = metricsListen && (await Operators.open(metricsListen, operated));
  try {
    if (operators) say(`/health, /ready and /metrics on http://${addressText(operators.address)}`);
    try {
      worker = await Worker.start({ ...options, redis, onWarning: say }, stop);
    } catch (error) {
      if (!stop.aborted) throw error;
      return { models: [], node: '' };
    }
    const { node, models, kind } = worker;
    say(`${node} serves ${models.join(', ')} of ${options.engine} (${kind})`);
    await untilStopped(stop, worker.served);
    say(`${node} takes nothing more and waits for what runs`);
    await worker.close();
    return { node, models };
  } finally {
    await operators?.close();
  }
}
