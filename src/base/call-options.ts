/**
 * The objects with options that calls take. A name that no option has is refused: what is misspelt would be ignored, and the
 * default be taken. No error of these shows a value: what was given in the wrong place may be a prompt or a password.
 */
import { ConfigError, show } from './errors.ts';
import { nearest } from './nearest.ts';

/** The names of all options of a type, which the compiler compares with it. */
export function namesOf<Options>(names: Readonly<Record<keyof Options, true>>): readonly string[] {
  return Object.keys(names);
}

/** So many names are listed when none of them is near. */
const FEW = 8;

/**
 * @param call that takes the options, e.g. `submit`
 * @param names that options may have
 * @param within the option that these are fields of, e.g. `breaker`
 * @throws ConfigError naming the first option that is not one of these, and the nearest that is
 */
export function checkNames(call: string, options: unknown, names: readonly string[], within = ''): void {
  const path = within === '' ? '' : `${within}.`;
  if (!isRecord(options)) {
    const listed = names.length <= FEW ? `: ${names.join(', ')}` : '';
    const option = within === '' ? `options of ${call}` : within;
    throw new ConfigError(option, undefined, names.join(', '), `${option}: allowed is an object${listed}`);
  }
  for (const name of Object.keys(options)) {
    if (names.includes(name)) continue;
    const near = nearest(name, names);
    const rest = names.length <= FEW ? `; there are ${names.join(', ')}` : '; docs/options.md has all';
    const hint = near === undefined ? rest : `; did you mean ${path}${near}?`;
    const shown = path + (/^\w{1,64}$/.test(name) ? name : show(name));
    throw new ConfigError(
      path + name,
      undefined,
      names.join(', '),
      `${shown} is no option of ${call}${hint}`,
    );
  }
}

/**
 * The same of data that is given again and again: a budget, a result. What is no plain object may have more fields of its own.
 *
 * @param kind of the data, e.g. `a budget`
 * @throws ConfigError
 */
export function checkFields(kind: string, data: object, names: readonly string[], within: string): void {
  if (!hasOnly(data, names)) checkNames(kind, data, names, within);
}

function hasOnly(data: object, names: readonly string[]): boolean {
  const prototype = Object.getPrototypeOf(data) as object | null;
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) return true;
  for (const name in data) if (!names.includes(name)) return false;
  return true;
}

/** An object with fields, so that none of the built-in ones in the wrong place (a signal, say) is taken for options. */
function isRecord(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value) as object | null;
  const isPlain = prototype === null || Object.getPrototypeOf(prototype) === null;
  return isPlain || Object.keys(value).length > 0;
}

/** @throws ConfigError unless it is an AbortSignal, or was not given */
export function checkSignal(signal: unknown): void {
  const isSignal =
    signal === undefined ||
    (typeof signal === 'object' &&
      signal !== null &&
      'aborted' in signal &&
      typeof (signal as Partial<AbortSignal>).addEventListener === 'function');
  if (!isSignal)
    throw new ConfigError('signal', undefined, 'an AbortSignal', 'signal: allowed is an AbortSignal');
}

/** @throws ConfigError unless it is an array */
export function checkList(name: string, list: unknown): void {
  if (!Array.isArray(list))
    throw new ConfigError(name, undefined, 'an array', `${name}: allowed is an array`);
}

/**
 * @param kind of its elements, e.g. `a result`
 * @param names that their fields may have
 * @throws ConfigError unless it is an array of objects with these fields
 */
export function checkObjects(
  name: string,
  list: readonly unknown[],
  kind: string,
  names: readonly string[],
): void {
  checkList(name, list);
  for (let i = 0; i < list.length; i += 1) {
    const one = list[i];
    if (typeof one === 'object' && one !== null && hasOnly(one, names)) continue;
    const within = `${name}[${i}]`;
    if (typeof one !== 'object' || one === null)
      throw new ConfigError(within, undefined, 'an object', `${within}: allowed is an object`);
    checkNames(kind, one, names, within);
  }
}
