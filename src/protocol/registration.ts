/** The entries of a topic's registry, as `lua/register.lua` writes them. */
import { timeOf } from '../base/clock.ts';
import { registryKeys } from '../base/keys.ts';
import { MAX_TOKENS } from '../base/ticket.ts';
import type { Client } from '../redis/run-script.ts';

export interface Registration {
  name: string;
  /** Its home shard. */
  home: number;
  /** 14 hex digits. */
  epoch: string;
  /** ms of the server's clock. */
  registeredUntil: number;
  /** `silent`: it did not renew its registration in time; `left`: it was closed. */
  state: 'registered' | 'silent' | 'left';
  /** null: it has not claimed. `largestPrompt`: tokens that it can ever hold; null: it did not say. */
  engine: { largestPrompt: number | null; down: EngineDown | null } | null;
}

/** The breaker of a node's engine is open: the engine failed again and again, and is tried by one request at a time. */
export interface EngineDown {
  /** In a row. */
  failures: number;
  /** ms from the last failure to the next trial. */
  pauseMs: number;
  /** Of the failure that opened it, or kept it open; its first 100 characters. */
  reason: string;
}

/** The script takes 512 bytes; a character has four at most. */
const MAX_REASON = 100;

/** As it stands at the end of an entry: `failures|pause in ms|reason`. */
export function breakerArgument(down: EngineDown | undefined): string {
  if (down === undefined) return '';
  const { failures, pauseMs, reason } = down;
  return `${failures}|${Math.round(pauseMs)}|${reason.slice(0, MAX_REASON)}`;
}

/** The entries at one moment. */
export interface Registrations {
  /** ms of the server's clock. */
  now: number;
  nodes: Registration[];
}

export async function readRegistrations(client: Client, topic: string): Promise<Registrations> {
  const [nodesKey] = registryKeys(topic);
  const [entries, time] = await Promise.all([client.hgetall(nodesKey), client.time()]);
  const now = timeOf(time);
  return { now, nodes: Object.entries(entries).map(([name, entry]) => registrationOf(name, entry, now)) };
}

/**
 * @param entry `instance|epoch|registered until|home shard|engine|breaker`; the instance is empty after a node left, and a node of a
 *   version that tells of no engine writes none of the last: it may have any
 */
export function registrationOf(name: string, entry: string, now: number): Registration {
  const [instance, epoch = '', until, home, tokens = String(MAX_TOKENS), ...breaker] = entry.split('|');
  const registeredUntil = Number(until);
  const state = instance === '' ? 'left' : registeredUntil > now ? 'registered' : 'silent';
  const largestPrompt = Number(tokens) < MAX_TOKENS ? Number(tokens) : null;
  const engine = tokens === '' ? null : { largestPrompt, down: downOf(breaker) };
  return { name, home: Number(home), epoch, registeredUntil, state, engine };
}

function downOf([failures = '', pauseMs, ...reason]: string[]): EngineDown | null {
  if (failures === '') return null;
  return { failures: Number(failures), pauseMs: Number(pauseMs), reason: reason.join('|') };
}

/**
 * Tokens of the largest prompt that any of these can ever hold while it lives: MAX_TOKENS if one did not say; undefined if none
 * has an engine.
 */
export function largestPromptOf(nodes: readonly Registration[]): number | undefined {
  const engines = nodes.flatMap(({ state, engine }) => (state === 'registered' && engine) || []);
  if (engines.length === 0) return undefined;
  return Math.max(...engines.map(({ largestPrompt }) => largestPrompt ?? MAX_TOKENS));
}
