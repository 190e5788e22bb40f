/** Limits of a server beside the options of a scheduler: what would break its connections. Pure. */
import type { Rules } from '../base/options.ts';

/** The options that limits of a server are compared with. */
export type Needs = Pick<Rules, 'maxBodyBytes' | 'maxResultBytes' | 'leaseMs'>;

/** What comes of a limit that does not suit, and what to do. */
export interface Trouble {
  why: string;
  remedy: string;
  /** What does it, if one command does. */
  command?: string;
  /** `broken`: work is refused, or nobody will do it. `note`: it may be meant so. Default: a warning. */
  severity?: 'broken' | 'note';
}

/** A call carries 256 KiB, or one larger request or result, and beside it names, numbers and its script. */
const CALL_BYTES = 256 * 1024;
const BESIDE_BYTES = 128 * 1024;
/** Wake-ups are short, but a subscriber may be slow to read many. */
const WAKE_UPS_BYTES = 2 ** 20;
/** A node that connects again needs its places while the old ones are still open. */
const FREE_CONNECTIONS = 8;

/** The settings of a server that are compared, as CONFIG GET names them. */
export const LIMITS = [
  'client-query-buffer-limit',
  'proto-max-bulk-len',
  'client-output-buffer-limit',
  'timeout',
  'maxclients',
] as const;
export type Limit = (typeof LIMITS)[number];

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

function largestOf({ maxBodyBytes, maxResultBytes }: Needs): [option: string, bytes: number] {
  return maxBodyBytes >= maxResultBytes ? ['maxBodyBytes', maxBodyBytes] : ['maxResultBytes', maxResultBytes];
}

/** What a node sends at once must fit. */
function ofSize(limit: Limit, value: number, needs: Needs, beside: number): Trouble | undefined {
  const [option, bytes] = largestOf(needs);
  const least = Math.max(bytes, CALL_BYTES) + beside;
  if (value >= least) return undefined;
  return {
    why: `${limit} is ${mib(value)}: what is larger breaks its connection, and is refused (${option} ${mib(bytes)})`,
    remedy: `set it to ${least} at least, or lower ${option}`,
    command: `CONFIG SET ${limit} ${least}`,
  };
}

/** `class hard soft seconds`, several of them. A limit of 0 is none. */
function ofOutput(value: string, needs: Needs): Trouble | undefined {
  const words = value.split(' ');
  const least = { normal: Math.max(largestOf(needs)[1], CALL_BYTES) + BESIDE_BYTES, pubsub: WAKE_UPS_BYTES };
  for (const [kind, bytes] of Object.entries(least)) {
    const at = words.indexOf(kind);
    const limits = words
      .slice(at + 1, at + 3)
      .map(Number)
      .filter((one) => one > 0);
    const lowest = Math.min(...limits);
    if (at < 0 || lowest >= bytes) continue;
    return {
      why: `client-output-buffer-limit ${kind} is ${mib(lowest)}: a larger answer breaks its connection`,
      remedy: `set it to ${bytes} at least, or to 0`,
      command: `CONFIG SET client-output-buffer-limit "${kind} 0 0 0"`,
    };
  }
  return undefined;
}

function ofIdleTime(seconds: number, { leaseMs }: Needs): Trouble | undefined {
  if (seconds === 0 || seconds * 1_000 > leaseMs) return undefined;
  return {
    why: `timeout is ${seconds} s: Redis closes connections that are silent for less than a lease`,
    remedy: 'set it to 0',
    command: 'CONFIG SET timeout 0',
  };
}

function ofClients(most: number, connected: number): Trouble | undefined {
  if (!(most - connected < FREE_CONNECTIONS)) return undefined;
  return {
    why: `${connected} of ${most} connections (maxclients) are taken: a node has two or three`,
    remedy: 'raise maxclients',
    command: `CONFIG SET maxclients ${2 * most}`,
  };
}

/** @param connected clients of the server now; NaN: not known */
export function troubleWith(
  limit: Limit,
  value: string,
  needs: Needs,
  connected: number,
): Trouble | undefined {
  switch (limit) {
    case 'client-query-buffer-limit':
      return ofSize(limit, Number(value), needs, BESIDE_BYTES);
    case 'proto-max-bulk-len':
      return ofSize(limit, Number(value), needs, 0);
    case 'client-output-buffer-limit':
      return ofOutput(value, needs);
    case 'timeout':
      return ofIdleTime(Number(value), needs);
    case 'maxclients':
      return ofClients(Number(value), connected);
  }
}
