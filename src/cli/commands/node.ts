import type { Command } from 'commander';
import { NODE_SETTINGS, readNode, type NodeSettings } from '../../fleet/node-settings.ts';
import { catchStop } from '../interrupt.ts';
import { count, oneLine, type Report } from '../output.ts';
import type { Means, Session } from '../session.ts';
import { WHERE_GIVEN, addSettings, configReport, toldOf } from '../settings.ts';

export function addNode(program: Command, { run, tell, env }: Means): void {
  const command = program
    .command('node')
    .summary('a gateway and a worker in one process, beside an engine')
    .description(
      'Takes requests of OpenAI-compatible clients and serves those of the whole fleet that its engine has room for: every ' +
        `engine has an address of its own, and none of them stands idle beside a busy one. ${WHERE_GIVEN}`,
    );
  addSettings(command, NODE_SETTINGS);
  command.action(async () => {
    const { given, isToPrint } = toldOf(command, NODE_SETTINGS, env);
    const settings = readNode(given);
    if (isToPrint) {
      await tell(configReport(NODE_SETTINGS, settings));
      return;
    }
    const { optionsOf } = await import('../../worker/command.ts');
    // what is wrong with them is said before anything is connected
    optionsOf(settings);
    await run((session) => serve(session, settings));
  });
}

async function serve({ client, source, say }: Session, settings: NodeSettings): Promise<Report> {
  const { serve } = await import('../../fleet/node.ts');
  const told = (line: string): void => say(oneLine(line));
  const served = await serve(settings, { redis: source, client, say: told, stop: catchStop() });
  const { node, gateway, models, isEvicted } = served;
  const message = `another process took the name ${gateway}`;
  const text =
    models.length === 0 ? 'the worker did not begin' : `${node} has left: ${count(models.length, 'model')}`;
  return {
    json: { node, gateway, models },
    text,
    ...(isEvicted ? { failure: { code: 'EVICTED', message } } : {}),
  };
}
