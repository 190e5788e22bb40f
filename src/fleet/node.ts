/**
 * `sched-lua node`, without its command line: a gateway and a worker in one process, the shape of the reference. They share the
 * connections to Redis. The gateway serves also while the engine starts, and while it is down: others of the fleet may have room.
 */
import { monotonic } from '../base/clock.ts';
import type { RedisSource } from '../base/options.ts';
import { operatedOf as operatedGateway } from '../gateway/command.ts';
import { Gateway } from '../gateway/gateway.ts';
import { connect, type Connection } from '../index.ts';
import type { RegistryClient } from '../openai/registry.ts';
import { Operators, type Operated } from '../service/operators.ts';
import { untilStopped } from '../service/stop.ts';
import { addressText } from '../service/values.ts';
import { operatedOf as operatedWorker, optionsOf } from '../worker/command.ts';
import { Worker } from '../worker/worker.ts';
import { gatewayName, type NodeSettings } from './node-settings.ts';

export interface Serving {
  redis: RedisSource;
  client: RegistryClient;
  /** One line for people. */
  say: (line: string) => void;
  /** Fires when the node is to stop. */
  stop: AbortSignal;
}

export interface Served {
  /** The worker's node; empty: it did not begin. */
  node: string;
  gateway: string;
  models: string[];
  /** Another process took the gateway's name. */
  isEvicted: boolean;
}

/**
 * Serves until `stop` fires or another takes a name of it, then drains.
 * @throws ConfigError, SchedulerError, Error if an address is taken
 */
export async function serve(settings: NodeSettings, serving: Serving): Promise<Served> {
  const { metricsListen } = settings;
  const node = new Node();
  const operated = (): Operated | undefined => node.operated;
  const operators = metricsListen && (await Operators.open(metricsListen, operated));
  try {
    if (operators) serving.say(`/health, /ready and /metrics on http://${addressText(operators.address)}`);
    return await node.serve(settings, serving);
  } finally {
    await operators?.close();
  }
}

class Node {
  #connection: Connection | undefined;
  #gateway: Gateway | undefined;
  #worker: Worker | undefined;

  /** Undefined: the gateway has not started. */
  get operated(): Operated | undefined {
    const [gateway, worker] = [this.#gateway, this.#worker];
    if (!gateway) return undefined;
    const told = operatedGateway(gateway);
    return {
      unready: () => told.unready(),
      metricsText: async () =>
        (await told.metricsText()) + (worker ? await operatedWorker(worker).metricsText() : ''),
    };
  }

  async serve(settings: NodeSettings, { redis, client, say, stop }: Serving): Promise<Served> {
    const options = optionsOf(settings);
    try {
      const connection = (this.#connection = await connect(redis));
      const gateway = (this.#gateway = await Gateway.start({
        ...{ settings: { ...settings, name: gatewayName(settings) }, redis, connection, client, warn: say },
      }));
      say(
        `gateway ${gateway.node} of fleet ${settings.fleet} listens on http://${addressText(gateway.address)}`,
      );
      const over = overOf(stop, gateway);
      const shared = { connection, client };
      const starting = Worker.start({ ...options, redis, shared, onWarning: say }, over);
      const worker = (this.#worker = await starting.catch((error: unknown) => {
        if (!over.aborted) throw error;
        return undefined;
      }));
      if (worker) {
        const { node, models, kind } = worker;
        say(`${node} serves ${models.join(', ')} of ${options.engine} (${kind})`);
        await untilStopped(over, worker.served);
      }
      const isEvicted = !stop.aborted;
      say(`${worker?.node ?? gateway.node} takes nothing more and waits for what runs`);
      await this.#close(settings.drain);
      return { node: worker?.node ?? '', gateway: gateway.node, models: worker?.models ?? [], isEvicted };
    } finally {
      await this.#close(0);
    }
  }

  /**
   * The worker goes on until the gateway's own requests have ended, as nobody else may be there for them; what others sent may
   * end in the rest of the time.
   */
  async #close(drainMs: number): Promise<void> {
    const until = monotonic() + drainMs;
    await this.#gateway?.close(drainMs);
    await this.#worker?.close({ drainMs: Math.max(0, until - monotonic()) });
    await this.#connection?.close();
  }
}

/** Fires when the node is to stop, or its gateway has closed by itself. */
function overOf(stop: AbortSignal, { closed }: Gateway): AbortSignal {
  const over = new AbortController();
  void untilStopped(stop, closed).then(() => over.abort());
  return over.signal;
}
