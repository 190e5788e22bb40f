import { Option, type Command } from 'commander';
import { SETTINGS, variableOf, type Raw } from '../../worker/settings.ts';
import { catchStop } from '../interrupt.ts';
import { count, type Report } from '../output.ts';
import type { Run } from '../session.ts';

interface Flags extends Raw {
  /** Its flag is repeated, so its name is that of one. */
  model?: readonly string[];
  config?: string;
  printConfig?: true;
}

/** Whatever a worker is made of is loaded when it runs: no other command pays for it. */
export function addWorker(
  program: Command,
  run: Run,
  env: Readonly<NodeJS.ProcessEnv>,
  show: (report: Report) => Promise<void>,
): void {
  const command = program
    .command('worker')
    .summary('serve the requests of a fleet by an engine')
    .description(
      'Stands beside an engine: takes those requests of gateways that the engine has room for, and passes its answers ' +
        'back. SIGTERM lets what runs end, twice ends it at once. Each option may be a variable ' +
        `(${variableOf('blockSize')}) or a key of the file (blockSize), too; flags win over variables, variables over the file.`,
    );
  for (const setting of Object.values(SETTINGS)) command.addOption(optionOf(setting));
  command
    .option('--config <file>', 'a file with a JSON object of these options')
    .option('--print-config', 'print the options as they were read, and end')
    .action(async () => {
      const { givenOf, serve } = await import('../../worker/command.ts');
      const { printConfig, model, ...flags } = command.opts<Flags>();
      const given = givenOf(model === undefined ? flags : { ...flags, models: model }, env);
      if (printConfig) {
        await show({ json: { config: given }, text: JSON.stringify(given, undefined, 2) });
        return;
      }
      await run(async ({ source, say }) => {
        const { node, models } = await serve(given, { redis: source, say, stop: catchStop() });
        const text =
          models.length === 0
            ? 'the worker did not begin'
            : `${node} has left: ${count(models.length, 'model')}`;
        return { json: { node, models }, text };
      });
    });
}

function optionOf(setting: (typeof SETTINGS)[keyof typeof SETTINGS]): Option {
  const option = new Option(setting.flag, setting.meaning);
  if (!('isList' in setting)) return option;
  return option.argParser((one: string, before: string[] | undefined) => [...(before ?? []), one]);
}
