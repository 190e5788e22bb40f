/** The kinds of values that an option may have: what is allowed, in words, and the check of it. */
import type { SchedulerEvents } from '../observe/events.ts';
import type { Logger } from '../observe/log.ts';
import { checkNames } from './call-options.ts';
import { jsonCodec, type Codec, type CodecName } from './codec.ts';
import { ConfigError } from './errors.ts';
import type { Settings, WaitReplicas } from './options.ts';
import { tokensCodec } from './tokens-codec.ts';

/** The settings of a node whose types of requests and outputs do not matter. */
export type AnySettings = Settings<unknown, unknown>;

export interface Kind<T> {
  /** What is allowed, as the error and docs/options.md say it. */
  readonly allowed: string;
  /** Of an integer: the least and the largest. */
  readonly range?: readonly [least: number, most: number];
  /**
   * The value, if it is one of this kind.
   * @throws ConfigError naming the option, its value and what is allowed
   */
  check(option: string, value: unknown): T;
}

function kind<T>(allowed: string, accepts: (value: unknown) => boolean): Kind<T> {
  return {
    allowed,
    check(option, value) {
      if (accepts(value)) return value as T;
      throw new ConfigError(option, value, allowed);
    },
  };
}

/** Has a check of its own elsewhere, which needs more than the value. */
export function unchecked<T>(allowed: string): Kind<T> {
  return kind(allowed, () => true);
}

export function integer(least: number, most: number): Kind<number> {
  const accepts = (value: unknown): boolean =>
    Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
  return { ...kind<number>(`an integer from ${least} to ${most}`, accepts), range: [least, most] };
}

export function oneOf<T extends string>(...words: readonly T[]): Kind<T> {
  return kind(`one of ${words.join(', ')}`, (value) => words.includes(value as T));
}

export function matching({ pattern, allowed }: { pattern: RegExp; allowed: string }): Kind<string> {
  return kind(allowed, (value) => typeof value === 'string' && pattern.test(value));
}

export const flag = kind<boolean>('true or false', (value) => typeof value === 'boolean');

export function callable<T>(): Kind<T> {
  return kind('a function', (value) => typeof value === 'function');
}

const CODECS: Readonly<Record<CodecName, () => Codec<unknown>>> = { json: jsonCodec, tokens: tokensCodec };
const CODEC_NAMES = Object.keys(CODECS) as CodecName[];
const OWN_CODEC = kind<Codec<unknown>>(
  `one of ${CODEC_NAMES.join(', ')}, or an object with the functions encode and decode`,
  (value) => {
    const { encode, decode } = value as Partial<Codec<unknown>>;
    return typeof encode === 'function' && typeof decode === 'function';
  },
);

/** A name becomes the codec of that name. */
export const codec: Kind<Codec<unknown>> = {
  ...OWN_CODEC,
  check(option, value) {
    const name = CODEC_NAMES.find((known) => known === value);
    return name === undefined ? OWN_CODEC.check(option, value) : CODECS[name]();
  },
};

/** By shape, not by class: the user may have another copy of this package. */
export const emitter = kind<SchedulerEvents>('a SchedulerEvents', (value) => {
  const { on, listenerCount, rawListeners } = value as Partial<SchedulerEvents>;
  return [on, listenerCount, rawListeners].every((method) => typeof method === 'function');
});

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;

/** By shape: whatever the user logs by. */
export const logger = kind<Logger | undefined>(
  `an object with the functions ${LEVELS.join(', ')}`,
  (value) => value === undefined || LEVELS.every((level) => typeof (value as Logger)[level] === 'function'),
);

/** The longest time of a timer of Node.js in ms; also the bound of counts. */
export const MAX_INT32 = 2 ** 31 - 1;
const REPLICAS = integer(1, 1000);
const REPLICAS_MS = integer(1, MAX_INT32);
const WAIT = 'an object with replicas and timeoutMs';

export const replicas: Kind<WaitReplicas | undefined> = {
  allowed: WAIT,
  check(option, value) {
    if (value === undefined) return undefined;
    if (typeof value !== 'object') throw new ConfigError(option, value, WAIT);
    checkNames(option, value, ['replicas', 'timeoutMs']);
    const given = value as Partial<WaitReplicas>;
    return {
      // NaN: what is missing has no default
      replicas: REPLICAS.check(`${option}.replicas`, given.replicas ?? NaN),
      timeoutMs: REPLICAS_MS.check(`${option}.timeoutMs`, given.timeoutMs ?? NaN),
    };
  },
};
