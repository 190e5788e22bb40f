import type { Command } from 'commander';
import { WORKER_SETTINGS, readWorker } from '../../worker/settings.ts';
import { catchStop } from '../interrupt.ts';
import { count, oneLine } from '../output.ts';
import type { Means } from '../session.ts';
import { WHERE_GIVEN, addSettings, configReport, toldOf } from '../settings.ts';

/** Whatever a worker is made of is loaded when it runs: no other command pays for it. */
export function addWorker(program: Command, { run, tell, env }: Means): void {
  const command = program
    .command('worker')
    .summary('serve the requests of a fleet by an engine')
    .description(
      'Stands beside an engine: takes those requests of gateways that the engine has room for, and passes its answers ' +
        `back. ${WHERE_GIVEN}`,
    );
  addSettings(command, WORKER_SETTINGS);
  command.action(async () => {
    const { given, isToPrint } = toldOf(command, WORKER_SETTINGS, env);
    const settings = readWorker(given);
    if (isToPrint) {
      await tell(configReport(WORKER_SETTINGS, settings));
      return;
    }
    const { optionsOf, serve } = await import('../../worker/command.ts');
    // what is wrong with them is said before anything is connected
    optionsOf(settings);
    await run(async ({ source, say }) => {
      const told = (line: string): void => say(oneLine(line));
      const { node, models } = await serve(settings, { redis: source, say: told, stop: catchStop() });
      const text =
        models.length === 0
          ? 'the worker did not begin'
          : `${node} has left: ${count(models.length, 'model')}`;
      return { json: { node, models }, text };
    });
  });
}
