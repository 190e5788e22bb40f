import type { Command } from 'commander';
import {
  GATEWAY_OPTIONS,
  flagName,
  readSettings,
  shownSettings,
  type GatewaySettings,
} from '../../gateway/settings.ts';
import { catchStop } from '../interrupt.ts';
import { oneLine, type Report, type Terminal } from '../output.ts';
import type { Run, Session } from '../session.ts';

/** What the command needs of the program. */
interface Means {
  run: Run;
  /** Prints a report of what needs no Redis. */
  tell: (report: Report) => Promise<void>;
  env: Terminal['env'];
}

export function addGateway(program: Command, { run, tell, env }: Means): void {
  const command = program
    .command('gateway')
    .summary('serve OpenAI-compatible HTTP in front of a fleet')
    .description(
      'Takes requests of OpenAI-compatible clients, queues them for the workers of a fleet, and answers with the bytes of ' +
        'their engines. Each option may also be given as SCHED_LUA_<OPTION> or in the file of --config, in this order. ' +
        'SIGTERM drains, and a second one ends it at once.',
    )
    .option('--config <file>', 'JSON file with options; those of the command line and the environment win')
    .option('--print-config', 'print the options as they are, without what is secret, and end');
  for (const [name, { argument, fallback, help, fileOnly }] of Object.entries(GATEWAY_OPTIONS)) {
    if (fileOnly) continue;
    const isShown = argument !== undefined && (typeof fallback === 'string' || typeof fallback === 'number');
    const text = isShown ? `${help} (default: ${fallback})` : help;
    command.option(`--${flagName(name)}${argument === undefined ? '' : ` <${argument}>`}`, text);
  }
  command.action(async () => {
    const { config, printConfig, auth, ...flags } = command.opts<Record<string, unknown>>();
    const given = { ...flags, ...(auth === false ? { noAuth: true } : {}) };
    const settings = readSettings({ flags: given, env, config: config as string | undefined });
    if (printConfig) await tell(configReport(settings));
    else await run((session) => serve(session, settings));
  });
}

function configReport(settings: GatewaySettings): Report {
  const options = shownSettings(settings);
  return { json: { options }, text: JSON.stringify(options, undefined, 2) };
}

async function serve({ client, source, say }: Session, settings: GatewaySettings): Promise<Report> {
  const stop = catchStop();
  const { Gateway } = await import('../../gateway/gateway.ts');
  const warn = (message: string): void => say(oneLine(message));
  const gateway = await Gateway.start({ settings, redis: source, client, warn });
  const { address, metricsAddress } = gateway;
  say(`gateway ${gateway.node} of fleet ${settings.fleet} listens on http://${address.host}:${address.port}`);
  say(`/health, /ready and /metrics on http://${metricsAddress.host}:${metricsAddress.port}`);
  await Promise.race([gateway.closed, new Promise((resolve) => stop.addEventListener('abort', resolve))]);
  const isEvicted = !stop.aborted;
  await gateway.close();
  return {
    json: { node: gateway.node },
    text: '',
    ...(isEvicted
      ? { failure: { code: 'EVICTED', message: `another gateway took the name ${gateway.node}` } }
      : {}),
  };
}
