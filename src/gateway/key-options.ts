/** The keys of clients as they are given: in a file of their own, or in the file of `--config`. */
import { ConfigError, show } from '../base/errors.ts';
import { readJson } from '../service/settings.ts';
import { MAX_MS } from '../service/values.ts';

/** One key of the file `--keys`, or of the configuration. */
export interface KeyOptions {
  /** For metrics; not secret. */
  name: string;
  /** Of the key, in hex. */
  sha256: string;
  /** Names that it may use, aliases included. Default: all. */
  models?: readonly string[];
  /** Requests at a time. Default: any number. */
  maxInFlight?: number;
  /** The largest head start that it may ask for, ms. Default 0. */
  maxPriorityMs?: number;
}

const FIELDS: Readonly<Record<keyof KeyOptions, (value: unknown) => boolean>> = {
  name: (value) => typeof value === 'string' && /^[\w.@-]{1,64}$/.test(value),
  sha256: (value) => typeof value === 'string' && /^[0-9a-f]{64}$/i.test(value),
  models: (value) => Array.isArray(value) && value.every((name) => typeof name === 'string'),
  maxInFlight: (value) => Number.isInteger(value) && (value as number) >= 1,
  maxPriorityMs: (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_MS,
};

/** No message shows a value: it may be a key. */
function checkKeys(option: string, given: unknown): KeyOptions[] {
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

/** A path, or in the file of `--config` the keys themselves. */
export function readKeys(option: string, given: unknown): KeyOptions[] {
  return checkKeys(option, typeof given === 'string' ? readJson(given, option) : given);
}
