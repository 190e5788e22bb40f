/** The settings of a command that serves, as its flags. */
import { Option, type Command } from 'commander';
import { flagName, shownSettings, type Given, type Setting, type Table } from '../service/settings.ts';
import type { Report, Terminal } from './output.ts';

/** What such a command was told. */
export interface Told {
  given: Given;
  /** It is to show its settings and end. */
  isToPrint: boolean;
}

export function addSettings<Settings>(command: Command, table: Table<Settings>): void {
  for (const [name, setting] of Object.entries(table) as [string, Setting][])
    if (!setting.fileOnly) command.addOption(optionOf(name, setting));
  command
    .option('--config <file>', 'a file with a JSON object of these options')
    .option('--print-config', 'print the options as they hold, without what is secret, and end');
}

function optionOf(name: string, setting: Setting): Option {
  const { argument, also, fallback, help, isList } = setting;
  const flags = [...(also === undefined ? [] : [also]), flagName(name, setting)].map((flag) => `--${flag}`);
  const hasDefault = argument !== undefined && ['string', 'number'].includes(typeof fallback);
  const text = hasDefault ? `${help} (default: ${String(fallback)})` : help;
  const option = new Option(`${flags.join(', ')}${argument === undefined ? '' : ` <${argument}>`}`, text);
  if (!isList) return option;
  return option.argParser((one: string, before: string[] | undefined) => [...(before ?? []), one]);
}

export function toldOf<Settings>(command: Command, table: Table<Settings>, env: Terminal['env']): Told {
  const { config, printConfig, ...options } = command.opts<Record<string, unknown>>();
  const flags = Object.entries(table).map(([name, row]) => {
    const attribute = optionOf(name, row as Setting).attributeName();
    // commander has `auth: true` where `--no-auth` is not given
    if (/^no[A-Z]/.test(name)) return [name, options[attribute] === false ? true : undefined] as const;
    return [name, options[attribute]] as const;
  });
  return {
    given: { flags: Object.fromEntries(flags), env, config: config as string | undefined },
    isToPrint: printConfig === true,
  };
}

/** What `--print-config` prints. */
export function configReport<Settings>(table: Table<Settings>, settings: Settings): Report {
  const config = shownSettings(table, settings);
  return { json: { config }, text: JSON.stringify(config, undefined, 2) };
}

/** In the description of each command that serves. */
export const WHERE_GIVEN =
  'Each option may also be a variable (SCHED_LUA_BLOCK_SIZE for --block-size) or a key of the file of --config (blockSize); ' +
  'flags win over variables, variables over the file. SIGTERM drains, and a second one ends it at once.';
