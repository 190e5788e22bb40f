/**
 * The options of `sched-lua worker`, each as a flag, a variable and a key of the file: flags win over variables, variables
 * over the file. Every value is read from its text, so that all three take the same.
 */
import { checkNames } from '../base/call-options.ts';
import { ConfigError } from '../base/errors.ts';
import type { Address } from './listener.ts';
import type { WorkerModel } from './options.ts';

interface Setting<T> {
  flag: string;
  meaning: string;
  /** @throws ConfigError */
  read: (text: string, name: string) => T;
  /** May be given several times; a variable has a comma between two, a file a list. */
  isList?: boolean;
}

const text = (value: string): string => value;

export const SETTINGS = {
  engine: { flag: '--engine <url>', meaning: 'the engine, e.g. http://127.0.0.1:8000', read: text },
  engineKeyFile: {
    flag: '--engine-key-file <file>',
    meaning: 'file with the key that the engine asks for',
    read: text,
  },
  kind: {
    flag: '--kind <kind>',
    meaning: 'auto, openai, vllm, sglang, tgi, llamacpp or fastdeploy (default: auto)',
    read: text,
  },
  fleet: {
    flag: '--fleet <name>',
    meaning: 'gateways and workers of one fleet share models (default: default)',
    read: text,
  },
  models: {
    flag: '--model <name[=served]>',
    meaning:
      'a model of the fleet, and what the engine calls it; may be repeated (default: all that the engine lists)',
    read: model,
    isList: true,
  },
  name: {
    flag: '--name <node>',
    meaning: "the worker's name (default: host and port of the engine)",
    read: text,
  },
  slots: {
    flag: '--slots <n>',
    meaning: 'requests in the engine at once, at most (default: as it says)',
    read: whole,
  },
  blocks: {
    flag: '--blocks <n>',
    meaning: 'KV-cache blocks of the engine, at most (default: as it says)',
    read: whole,
  },
  blockSize: { flag: '--block-size <n>', meaning: 'tokens in a block (default: as it says)', read: whole },
  reserveOutput: {
    flag: '--reserve-output <n>',
    meaning: 'tokens kept for the output of each request (default: 256)',
    read: whole,
  },
  maxBatchedTokens: {
    flag: '--max-batched-tokens <n>',
    meaning: 'prompt tokens taken at once (default: 8192)',
    read: whole,
  },
  streamInterval: {
    flag: '--stream-interval <time>',
    meaning: 'least time from one result of a stream to the next (default: 0ms)',
    read: duration,
  },
  probe: {
    flag: '--probe <time>',
    meaning: 'how often the engine is asked how it is (default: 1s)',
    read: duration,
  },
  drain: {
    flag: '--drain <time>',
    meaning: 'how long requests may go on after SIGTERM (default: 60s)',
    read: duration,
  },
  listen: {
    flag: '--listen <address>',
    meaning: 'where /health, /ready and /metrics answer, or off (default: 127.0.0.1:9465)',
    read: address,
  },
} as const satisfies Record<string, Setting<unknown>>;

type Settings = typeof SETTINGS;
type NameOf = keyof Settings;
type ValueOf<Name extends NameOf> = ReturnType<Settings[Name]['read']>;

/** What was given, read. */
export type Given = {
  [Name in NameOf]?: Settings[Name] extends { isList: true } ? ValueOf<Name>[] : ValueOf<Name>;
};

/** As it was given: text, or for a list, texts. */
export type Raw = Readonly<Partial<Record<NameOf, string | readonly string[]>>>;

/** The variable of a setting: `SCHED_LUA_BLOCK_SIZE`. */
export function variableOf(name: string): string {
  return `SCHED_LUA_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** @throws ConfigError naming the first that cannot be read */
export function readSettings(flags: Raw, env: Readonly<NodeJS.ProcessEnv>, file: unknown): Given {
  const inFile = file === undefined ? {} : rawOf(file);
  const given: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(SETTINGS) as [NameOf, Setting<unknown>][]) {
    const variable = env[variableOf(name)];
    const raw = flags[name] ?? (variable === undefined || variable === '' ? inFile[name] : variable);
    if (raw === undefined) continue;
    if (setting.isList) {
      const list = typeof raw === 'string' ? raw.split(',') : raw;
      given[name] = list.map((one) => setting.read(one.trim(), name));
    } else if (typeof raw === 'string') given[name] = setting.read(raw, name);
    else throw new ConfigError(name, undefined, 'one value', `${name}: allowed is one value, not a list`);
  }
  return given;
}

/** @throws ConfigError for a key that no setting has, or a value that is no text, number or list of texts */
function rawOf(file: unknown): Raw {
  checkNames('the file', file, Object.keys(SETTINGS));
  return Object.fromEntries(
    Object.entries(file as object).map(([name, value]: [string, unknown]) => {
      if (typeof value === 'number') return [name, String(value)];
      const isList = Array.isArray(value) && value.every((one) => typeof one === 'string');
      if (typeof value === 'string' || isList) return [name, value];
      throw new ConfigError(
        name,
        undefined,
        'a text or a number',
        `${name}: allowed is a text, a number or a list of texts`,
      );
    }),
  );
}

function whole(value: string, name: string): number {
  if (/^\d{1,10}$/.test(value)) return Number(value);
  throw new ConfigError(name, value, 'a whole number');
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** In ms. */
function duration(value: string, name: string): number {
  const [, figure, unit = 'ms'] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(value) ?? [];
  if (figure === undefined) throw new ConfigError(name, value, 'a time such as 250ms, 30s or 5m');
  return Math.round(Number(figure) * UNITS[unit]!);
}

function model(value: string, name: string): WorkerModel {
  const at = value.indexOf('=');
  const [first, served] = at < 0 ? [value, undefined] : [value.slice(0, at), value.slice(at + 1)];
  if (first === '' || served === '') throw new ConfigError(name, value, 'a name, or NAME=SERVED');
  return { name: first, ...(served === undefined ? {} : { servedName: served }) };
}

/** undefined: off. */
function address(value: string, name: string): Address | undefined {
  if (value === 'off') return undefined;
  const [, host, port] = /^(\[[0-9a-fA-F:.]+\]|[^:\s]+):(\d{1,5})$/.exec(value) ?? [];
  if (host === undefined || Number(port) > 65_535)
    throw new ConfigError(name, value, 'HOST:PORT, such as 127.0.0.1:9465, or off');
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
}
