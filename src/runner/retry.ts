import { checkNames } from '../base/call-options.ts';
import { ConfigError } from '../base/errors.ts';
import type { GiveBackOptions } from '../protocol/give-back.ts';

const OPTIONS: Readonly<Record<keyof GiveBackOptions, string>> = {
  afterMs: 'ms of at least 0',
  elsewhere: 'true or false',
  countTry: 'true or false',
};
const NAMES = Object.keys(OPTIONS);

/**
 * Thrown by a handler of `run`: the engine failed, not the request. The request returns to its place in line and is executed
 * again, by another node at once. Unlike a plain `giveBack` it uses a try, unless `countTry` is false: else a request that breaks
 * every engine would go round until its deadline.
 *
 * @example throw new Retry('the engine is gone', { elsewhere: true });
 */
export class Retry extends Error {
  readonly options: GiveBackOptions;

  /** @throws ConfigError for options that `giveBack` refuses */
  constructor(reason: string, options: GiveBackOptions & { cause?: unknown } = {}) {
    checkNames('Retry', options, [...NAMES, 'cause']);
    const { cause, ...how } = options;
    super(reason, cause === undefined ? undefined : { cause });
    this.name = 'Retry';
    this.options = checkGiveBack(how);
  }
}

/** @throws ConfigError */
export function checkGiveBack(options: GiveBackOptions): GiveBackOptions {
  checkNames('giveBack', options, NAMES);
  for (const [name, value] of Object.entries(options) as [keyof GiveBackOptions, unknown][]) {
    const isGood = name === 'afterMs' ? typeof value === 'number' && value >= 0 : typeof value === 'boolean';
    if (value !== undefined && !isGood) throw new ConfigError(name, value, OPTIONS[name]);
  }
  return options;
}
