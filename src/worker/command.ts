/**
 * `sched-lua worker`, without its command line: reads what was given, serves until it is told to stop, and says how that
 * went.
 */
import { readFileSync } from 'node:fs';
import { ConfigError, messageOf } from '../base/errors.ts';
import type { RedisSource } from '../index.ts';
import { Listener, type Address } from './listener.ts';
import type { WorkerOptions } from './options.ts';
import { readSettings, type Given, type Raw } from './settings.ts';
import { Worker } from './worker.ts';

export { SETTINGS } from './settings.ts';

const LISTEN: Address = { host: '127.0.0.1', port: 9_465 };

/** @throws ConfigError for what cannot be read, or is missing */
export function givenOf(
  flags: Raw & { config?: string },
  env: Readonly<NodeJS.ProcessEnv>,
): Given & { engine: string } {
  const { config, ...raw } = flags;
  const given = readSettings(raw, env, config === undefined ? undefined : fileOf(config));
  if (given.engine === undefined)
    throw new ConfigError('engine', undefined, 'a URL', 'engine: give the URL of the engine as --engine');
  return { ...given, engine: given.engine };
}

function fileOf(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as unknown;
  } catch (error) {
    const why = error instanceof SyntaxError ? 'it is no JSON' : messageOf(error);
    throw new ConfigError(
      'config',
      path,
      'a file with a JSON object',
      `config: ${path} cannot be read: ${why}`,
    );
  }
}

/** @throws ConfigError if the file of the key cannot be read, or is empty */
export function optionsOf(given: Given & { engine: string }): WorkerOptions {
  const { engineKeyFile, streamInterval, probe, drain, kind, ...rest } = given;
  delete rest.listen;
  return {
    ...rest,
    ...(kind === undefined ? {} : { kind: kind as NonNullable<WorkerOptions['kind']> }),
    ...(streamInterval === undefined ? {} : { streamIntervalMs: streamInterval }),
    ...(probe === undefined ? {} : { probeMs: probe }),
    ...(drain === undefined ? {} : { drainMs: drain }),
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
  given: Given & { engine: string },
  { redis, say, stop }: Serving,
): Promise<{ models: string[]; node: string }> {
  let worker: Worker | undefined;
  const address = 'listen' in given ? given.listen : LISTEN;
  const listener = address && (await Listener.open(address, () => worker));
  try {
    if (listener) say(`/health, /ready and /metrics at ${address.host}:${listener.port}`);
    try {
      worker = await Worker.start({ ...optionsOf(given), redis, onWarning: say }, stop);
    } catch (error) {
      if (!stop.aborted) throw error;
      return { models: [], node: '' };
    }
    const { node, models, kind } = worker;
    say(`${node} serves ${models.join(', ')} of ${given.engine} (${kind})`);
    await until(stop, worker.served);
    say(`${node} takes nothing more and waits for what runs`);
    await worker.close();
    return { node, models };
  } finally {
    await listener?.close();
  }
}

/** @throws what `served` rejects with */
function until(stop: AbortSignal, served: Promise<unknown>): Promise<void> {
  return new Promise((resolve, reject) => {
    if (stop.aborted) resolve();
    stop.addEventListener('abort', () => resolve());
    served.then(() => resolve(), reject);
  });
}
