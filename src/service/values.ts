/** Values of settings, as people write them: addresses, times, sizes. What cannot be read is a ConfigError. */
import { ConfigError } from '../base/errors.ts';
import { checkNodeName } from '../base/keys.ts';

export interface Address {
  host: string;
  /** 0: any that is free. */
  port: number;
}

/** Of every time that is given: a day. */
export const MAX_MS = 86_400_000;
const MAX_BODY = 268_435_456;
const DURATION = 'a time like 500ms, 30s, 5m or 1h, at most a day';
const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;
const SIZES = { '': 1, B: 1, KiB: 1_024, MiB: 1_048_576 } as const;

/** `host:port`, `[::1]:port`. */
export function addressOf(option: string, given: unknown, allowed = 'host:port'): Address {
  const [, host, port] = /^\[?([^[\]\s]+?)\]?:(\d{1,5})$/.exec(String(given)) ?? [];
  if (host === undefined || Number(port) > 65_535) throw new ConfigError(option, given, allowed);
  return { host, port: Number(port) };
}

/** The same, or `off`: undefined. */
export function addressOrOff(option: string, given: unknown): Address | undefined {
  if (given === 'off') return undefined;
  return addressOf(option, given, 'host:port, or off');
}

/** As {@link addressOf} reads it. */
export function addressText(address: Address | undefined): string {
  if (address === undefined) return 'off';
  const { host, port } = address;
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** `500ms`, `30s`, `5m`, `1h`: ms. At least a millisecond. */
export function durationOf(option: string, given: unknown): number {
  const ms = durationOrNone(option, given);
  if (ms >= 1) return ms;
  throw new ConfigError(option, given, `${DURATION}, and more than nothing`);
}

/** The same, or `0ms`. */
export function durationOrNone(option: string, given: unknown): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(String(given)) ?? [];
  const ms = Number(number) * UNITS[unit as keyof typeof UNITS];
  if (ms <= MAX_MS) return Math.round(ms);
  throw new ConfigError(option, given, DURATION);
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

export function textOf(option: string, given: unknown): string {
  if (typeof given === 'string') return given;
  throw new ConfigError(option, undefined, 'a text', `${option}: allowed is a text`);
}

/** Commas stand between two in one text, none in a list. */
export function listOf<T>(readOne: (option: string, given: string) => T) {
  return (option: string, given: unknown): T[] => {
    const list: unknown = typeof given === 'string' ? given.split(',') : given;
    if (!Array.isArray(list) || !list.every((one) => typeof one === 'string'))
      throw new ConfigError(option, undefined, 'a list of texts', `${option}: allowed is a list of texts`);
    return list.map((one: string) => readOne(option, one.trim()));
  };
}

export function checkName(_option: string, given: unknown): string {
  return checkNodeName(given);
}

/** An object whose fields are all of one kind. */
export function checkMap<T>(allowed: string, accepts: (value: unknown) => value is T) {
  return (option: string, given: unknown): Record<string, T> => {
    const isMap = typeof given === 'object' && given !== null && !Array.isArray(given);
    if (isMap && Object.values(given).every(accepts)) return { ...(given as Record<string, T>) };
    throw new ConfigError(
      option,
      undefined,
      allowed,
      `${option}: allowed is an object, and in each field ${allowed}`,
    );
  };
}

/** One of these words. */
export function choiceOf<T extends string>(words: readonly T[]) {
  return (option: string, given: unknown): T => {
    if (words.includes(given as T)) return given as T;
    throw new ConfigError(option, given, `one of ${words.join(', ')}`);
  };
}
