/** Values of options, as people write them: addresses, times, sizes, keys. What cannot be read is a ConfigError. */
import { ConfigError, show } from '../base/errors.ts';
import { checkNodeName } from '../base/keys.ts';
import type { KeyOptions } from './keys.ts';

export interface Address {
  host: string;
  /** 0: any that is free. */
  port: number;
}

const MAX_MS = 86_400_000;
const MAX_BODY = 268_435_456;
const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;
const SIZES = { '': 1, B: 1, KiB: 1_024, MiB: 1_048_576 } as const;

/** `host:port`, `[::1]:port`. */
export function addressOf(option: string, given: unknown): Address {
  const [, host, port] = /^\[?([^[\]\s]+?)\]?:(\d{1,5})$/.exec(String(given)) ?? [];
  if (host === undefined || Number(port) > 65_535) throw new ConfigError(option, given, 'host:port');
  return { host, port: Number(port) };
}

/** `500ms`, `30s`, `5m`, `1h`: ms. */
export function durationOf(option: string, given: unknown): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(String(given)) ?? [];
  const ms = Number(number) * UNITS[unit as keyof typeof UNITS];
  if (ms >= 1 && ms <= MAX_MS) return Math.round(ms);
  throw new ConfigError(option, given, 'a time like 500ms, 30s, 5m or 1h, at most a day');
}

/** `16MiB`, `512KiB`, `1000`: bytes. */
export function sizeOf(option: string, given: unknown): number {
  const [, number, unit] = /^(\d+)(B|KiB|MiB)?$/.exec(String(given)) ?? [];
  const bytes = Number(number) * SIZES[(unit ?? '') as keyof typeof SIZES];
  if (bytes >= 1 && bytes <= MAX_BODY) return bytes;
  throw new ConfigError(option, given, 'a size like 512KiB or 16MiB, at most 256MiB');
}

export function integerOf(least: number, most: number) {
  return (option: string, given: unknown): number => {
    const value = typeof given === 'string' && /^\d+$/.test(given) ? Number(given) : given;
    if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most)
      return value as number;
    throw new ConfigError(option, given, `an integer from ${least} to ${most}`);
  };
}

/** A switch: `true` and `false`, in the environment also `1` and `0`. */
export function flagOf(option: string, given: unknown): boolean {
  if (given === true || given === 'true' || given === '1') return true;
  if (given === false || given === 'false' || given === '0') return false;
  throw new ConfigError(option, given, 'true or false');
}

export function checkName(_option: string, given: unknown): string {
  return checkNodeName(given);
}

export function checkMap(allowed: string, accepts: (value: unknown) => boolean) {
  return (option: string, given: unknown): Record<string, unknown> => {
    const isMap = typeof given === 'object' && given !== null && !Array.isArray(given);
    if (isMap && Object.values(given).every(accepts)) return { ...given };
    throw new ConfigError(
      option,
      undefined,
      allowed,
      `${option}: allowed is an object, and in each field ${allowed}`,
    );
  };
}

const FIELDS: Readonly<Record<keyof KeyOptions, (value: unknown) => boolean>> = {
  name: (value) => typeof value === 'string' && /^[\w.@-]{1,64}$/.test(value),
  sha256: (value) => typeof value === 'string' && /^[0-9a-f]{64}$/i.test(value),
  models: (value) => Array.isArray(value) && value.every((name) => typeof name === 'string'),
  maxInFlight: (value) => Number.isInteger(value) && (value as number) >= 1,
  maxPriorityMs: (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_MS,
};

/** No message shows a value: it may be a key. */
export function checkKeys(option: string, given: unknown): KeyOptions[] {
  const fail = (what: string): never => {
    throw new ConfigError(option, undefined, 'a list of keys', `${option}: ${what}`);
  };
  if (!Array.isArray(given))
    return fail('allowed is a list of { name, sha256, models, maxInFlight, maxPriorityMs }');
  for (const [i, key] of given.entries()) {
    if (typeof key !== 'object' || key === null) fail(`key ${i} is no object`);
    for (const [name, value] of Object.entries(key as object)) {
      const accepts = Object.hasOwn(FIELDS, name) ? FIELDS[name as keyof KeyOptions] : undefined;
      if (!accepts) fail(`key ${i} has the field ${show(name)}; there are ${Object.keys(FIELDS).join(', ')}`);
      else if (!accepts(value)) fail(`${name} of key ${i} is not allowed`);
    }
    const { name, sha256 } = key as Partial<KeyOptions>;
    if (name === undefined || sha256 === undefined) fail(`key ${i} needs a name and a sha256`);
  }
  const keys = given as KeyOptions[];
  if (new Set(keys.map(({ sha256 }) => sha256.toLowerCase())).size < keys.length)
    fail('a key is there twice');
  return keys;
}
