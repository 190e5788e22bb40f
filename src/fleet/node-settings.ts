/** What a node can be told that is gateway and worker: the settings of both, and what both have is there once. */
import { ConfigError } from '../base/errors.ts';
import { checkNodeName } from '../base/keys.ts';
import { GATEWAY_SETTINGS, checked, type GatewaySettings } from '../gateway/settings.ts';
import { readSettings, type Given, type Table } from '../service/settings.ts';
import { WORKER_SETTINGS, type WorkerSettings } from '../worker/settings.ts';

export type NodeSettings = GatewaySettings & WorkerSettings;

const GATEWAY_SUFFIX = '-gateway';

/** In the order of the help. `listen` is where clients connect; one listener is for operators, and one time for the drain. */
export const NODE_SETTINGS: Table<NodeSettings> = {
  ...WORKER_SETTINGS,
  ...GATEWAY_SETTINGS,
  name: {
    argument: 'node',
    help: `the worker's name; the gateway's is <node>${GATEWAY_SUFFIX} (default: of each its own)`,
    read: nameOf,
  },
  drain: {
    ...GATEWAY_SETTINGS.drain,
    fallback: '60s',
    help: 'how long requests may go on after SIGTERM, those of other gateways too',
  },
};

/** @throws ConfigError naming what is not allowed, and where it was given */
export function readNode(given: Given): NodeSettings {
  return checked(readSettings('node', NODE_SETTINGS, given));
}

/** The gateway's name; undefined: one of its own. */
export function gatewayName({ name }: Pick<NodeSettings, 'name'>): string | undefined {
  return name === undefined ? undefined : `${name}${GATEWAY_SUFFIX}`;
}

function nameOf(option: string, given: unknown): string {
  const name = checkNodeName(given);
  try {
    checkNodeName(gatewayName({ name }));
    return name;
  } catch {
    throw new ConfigError(option, given, `a name that is a node's with ${GATEWAY_SUFFIX} behind it, too`);
  }
}
