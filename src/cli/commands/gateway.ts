import type { Command } from 'commander';
import { GATEWAY_SETTINGS, readGateway, type GatewaySettings } from '../../gateway/settings.ts';
import { catchStop } from '../interrupt.ts';
import { oneLine, type Report } from '../output.ts';
import type { Means, Session } from '../session.ts';
import { WHERE_GIVEN, addSettings, configReport, toldOf } from '../settings.ts';

export function addGateway(program: Command, { run, tell, env }: Means): void {
  const command = program
    .command('gateway')
    .summary('serve OpenAI-compatible HTTP in front of a fleet')
    .description(
      'Takes requests of OpenAI-compatible clients, queues them for the workers of a fleet, and answers with the bytes of ' +
        `their engines. ${WHERE_GIVEN}`,
    );
  addSettings(command, GATEWAY_SETTINGS);
  command.action(async () => {
    const { given, isToPrint } = toldOf(command, GATEWAY_SETTINGS, env);
    const settings = readGateway(given);
    if (isToPrint) await tell(configReport(GATEWAY_SETTINGS, settings));
    else await run((session) => serve(session, settings));
  });
}

async function serve({ client, source, say }: Session, settings: GatewaySettings): Promise<Report> {
  const { serve } = await import('../../gateway/command.ts');
  const told = (line: string): void => say(oneLine(line));
  const { node, isEvicted } = await serve(settings, { redis: source, client, say: told, stop: catchStop() });
  const message = `another gateway took the name ${node}`;
  return { json: { node }, text: '', ...(isEvicted ? { failure: { code: 'EVICTED', message } } : {}) };
}
