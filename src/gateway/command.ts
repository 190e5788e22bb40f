/**
 * `sched-lua gateway`, without its command line: serves until it is told to stop, and says how that went.
 */
import type { RedisSource } from '../base/options.ts';
import { expose } from '../metrics/exposition.ts';
import type { RegistryClient } from '../openai/registry.ts';
import { Operators, type Operated } from '../service/operators.ts';
import { untilStopped } from '../service/stop.ts';
import { addressText } from '../service/values.ts';
import { Gateway } from './gateway.ts';
import { GATEWAY_METRICS } from './metrics.ts';
import type { GatewaySettings } from './settings.ts';

export interface Serving {
  redis: RedisSource;
  client: RegistryClient;
  /** One line for people. */
  say: (line: string) => void;
  /** Fires when the gateway is to stop. */
  stop: AbortSignal;
}

/** What operators hear of a gateway. */
export function operatedOf(gateway: Gateway): Operated {
  return {
    unready: () => gateway.unready(),
    metricsText: () => expose(GATEWAY_METRICS, gateway.samples),
  };
}

/**
 * Serves until `stop` fires or another takes its name, then drains.
 * @throws ConfigError, SchedulerError, Error if an address is taken
 */
export async function serve(
  settings: GatewaySettings,
  { redis, client, say, stop }: Serving,
): Promise<{ node: string; isEvicted: boolean }> {
  let gateway: Gateway | undefined;
  const { metricsListen, fleet } = settings;
  const operated = (): Operated | undefined => gateway && operatedOf(gateway);
  const operators = metricsListen && (await Operators.open(metricsListen, operated));
  try {
    gateway = await Gateway.start({ settings, redis, client, warn: say });
    const { node, address, closed } = gateway;
    say(`gateway ${node} of fleet ${fleet} listens on http://${addressText(address)}`);
    if (operators) say(`/health, /ready and /metrics on http://${addressText(operators.address)}`);
    await untilStopped(stop, closed);
    const isEvicted = !stop.aborted;
    await gateway.close();
    return { node, isEvicted };
  } finally {
    await operators?.close();
  }
}
