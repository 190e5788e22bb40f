/**
 * The one reader of settings: of the gateway, of the worker, and of a node that is both. Each may be a flag, a variable or a key of
 * a JSON file, and each of these takes the same. A name means the same in every command that has it.
 */
import { readFileSync } from 'node:fs';
import { ConfigError, messageOf, show } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';

/** One setting, whatever command has it. */
export interface Setting<T = unknown> {
  /** Its argument on the command line; undefined: it is a switch. */
  argument?: string;
  /** Its flag without hyphens, if that is not its name: of a list, which is repeated. */
  flag?: string;
  /** Another name of its flag, and in the file; not of its variable. */
  also?: string;
  /** What holds if it is not given, as it would be given; undefined: nothing. */
  fallback?: unknown;
  help: string;
  /** In the file of `--config` alone. */
  fileOnly?: true;
  /** May be given several times; a variable has a comma between two. */
  isList?: true;
  /**
   * @param where it was given, for messages
   * @throws ConfigError
   */
  read: (where: string, given: unknown) => T;
  /** For people; of what is secret, without it. */
  show?: (value: T) => unknown;
}

/** The settings of a command, in the order of its help. */
export type Table<Settings> = { readonly [Name in keyof Settings]-?: Setting<Settings[Name]> };

/** What was given where; a setting that is absent was not given there. */
export interface Given {
  flags: Readonly<Record<string, unknown>>;
  env: Readonly<NodeJS.ProcessEnv>;
  /** Path of a JSON file. */
  config?: string | undefined;
}

/** `queueTtl` -> `queue-ttl`: a flag is this with two hyphens. */
export function flagName(name: string, { flag }: Pick<Setting, 'flag'> = {}): string {
  return flag ?? name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** `queueTtl` -> `SCHED_LUA_QUEUE_TTL`. */
export function variableName(name: string): string {
  return `SCHED_LUA_${flagName(name).replaceAll('-', '_').toUpperCase()}`;
}

/**
 * A flag wins over the variable, that over the file, that over what holds otherwise.
 * @param command for messages, e.g. `gateway`
 * @throws ConfigError naming what is not allowed, and where it was given
 */
export function readSettings<Settings>(
  command: string,
  table: Table<Settings>,
  { flags, env, config }: Given,
): Settings {
  const rows = Object.entries(table) as [string, Setting][];
  const file = config === undefined ? {} : readFile(command, rows, config);
  const read = rows.map(([name, setting]) => {
    const inFile = file[name] === undefined && setting.also !== undefined ? file[setting.also] : file[name];
    const sources: [where: string, given: unknown][] = [
      [`--${flagName(name, setting)}`, setting.fileOnly ? undefined : flags[name]],
      [variableName(name), setting.fileOnly ? undefined : env[variableName(name)] || undefined],
      [`${name} in ${config ?? ''}`, inFile],
      [name, setting.fallback],
    ];
    const [where, given] = sources.find(([, value]) => value !== undefined) ?? [name, undefined];
    return [name, given === undefined ? undefined : setting.read(where, given)] as const;
  });
  return Object.fromEntries(read) as Settings;
}

function readFile(
  command: string,
  rows: readonly [string, Setting][],
  path: string,
): Record<string, unknown> {
  const file = readJson(path, '--config');
  if (typeof file !== 'object' || file === null || Array.isArray(file))
    throw new ConfigError('--config', path, 'a file with a JSON object');
  const names = rows.flatMap(([name, { also }]) => (also === undefined ? [name] : [name, also]));
  const unknown = Object.keys(file).find((name) => !names.includes(name));
  if (unknown === undefined) return file as Record<string, unknown>;
  const near = nearest(unknown, names);
  const hint = near === undefined ? `there are ${names.join(', ')}` : `did you mean ${near}?`;
  const message = `${show(unknown)} in ${path} is no option of the ${command}; ${hint}`;
  throw new ConfigError(unknown, undefined, names.join(', '), message);
}

/**
 * @param option that names the file
 * @throws ConfigError, which shows nothing of what is in the file
 */
export function readJson(path: string, option: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as unknown;
  } catch (error) {
    // what the parser says has a piece of the text in it
    const why = error instanceof SyntaxError ? 'it is no JSON' : messageOf(error);
    throw new ConfigError(option, path, 'a JSON file', `${option}: ${path} cannot be read: ${why}`);
  }
}

/** The settings as they hold, for people: what is secret is hidden, and what was not given is null. */
export function shownSettings<Settings>(table: Table<Settings>, settings: Settings): Record<string, unknown> {
  const shown = Object.entries(table).map(([name, row]) => {
    const { show: text } = row as Setting;
    const value = settings[name as keyof Settings];
    return [name, text ? text(value) : (value ?? null)] as const;
  });
  return Object.fromEntries(shown);
}
