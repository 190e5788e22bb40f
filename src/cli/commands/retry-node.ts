/** The node of `sched-lua dead retry`, an owner for a moment; and how the requests end that it puts. */
import { SchedulerError, messageOf } from '../../base/errors.ts';
import type { DeadEntry } from '../../inspect/dead-letters.ts';
import type { Registry } from '../../inspect/registry.ts';
import { Scheduler } from '../../scheduler.ts';
import { bytesCodec } from '../../base/codec.ts';
import { shown, type Shown } from '../output.ts';
import type { Topic } from '../topic.ts';

/** Said of an entry without its body. */
export const NOT_KEPT = 'its payload was not kept (option maxDeadBodyBytes of its owner)';

export type RetryNode = Scheduler<DeadEntry, Uint8Array>;

/** Its name; with several retries at a time, the others get `:1`, `:2` … */
const NODE = 'dead-retry';
/** The defaults; of a topic with a short ttl they are less. */
const LEASE_MS = 30_000;
const POLL_MS = 2000;
/** A request is as large as it was. */
const MOST_BYTES = 512 * 2 ** 20;

/** @param isLeft nobody will wait for the requests: whatever becomes of them but a result is kept among the dead again */
export function startNode(
  { name, options, registry, source }: Topic,
  { isLeft }: { isLeft: boolean },
): Promise<RetryNode> {
  return Scheduler.start<DeadEntry, Uint8Array>({
    redis: source,
    topic: name,
    node: NODE,
    // no shard is in use when no node registered within a day; the entry was then found by its name
    loadShards: Math.max(1, registry.shards),
    loadUnit: registry.loadUnit,
    ...timesOf(registry),
    commandTimeout: options.timeout,
    maxBodyBytes: MOST_BYTES,
    ...(isLeft ? { deadLetter: 'all', maxDeadBodyBytes: MOST_BYTES } : {}),
    codec: {
      encode: ({ body }) => body!,
      decode: () => {
        throw new Error('this node runs nothing');
      },
    },
    outputCodec: bytesCodec,
    idOf: ({ id }) => id,
    promptTokensOf: ({ promptTokens }) => promptTokens,
    // the command's own report says how they ended
    onWarning: () => undefined,
  });
}

/** The topic's ttl, which a longer one here would change for good, and what must be short beside it. */
function timesOf({ ttlMs }: Registry): { ttlMs?: number; leaseMs?: number; pollMs?: number } {
  if (ttlMs === undefined) return {};
  return {
    ttlMs,
    leaseMs: Math.min(LEASE_MS, Math.floor(ttlMs / 2)),
    pollMs: Math.min(POLL_MS, Math.floor(ttlMs / 4)),
  };
}

export interface Outcome {
  /** `put`: nobody waits for more. `refused`: it was not put. */
  kind: 'finished' | 'failed' | 'cancelled' | 'expired' | 'put' | 'refused';
  /** Chunks of the last attempt, then the final's output. */
  outputs: Shown[];
  reason?: string;
}

export interface Hears {
  chunk: (count: number) => void;
  restart: () => void;
}

/** Puts it again and waits for its end. Rejects with why it could not be put. */
export async function outcome(
  node: RetryNode,
  entry: DeadEntry,
  signal: AbortSignal,
  hears?: Hears,
): Promise<Outcome> {
  let outputs: Shown[] = [];
  for await (const { kind, output, reason } of node.submit(entry, { signal })) {
    if (output !== undefined) outputs.push(shown(output));
    if (kind === 'chunk') hears?.chunk(outputs.length);
    else if (kind === 'restart') {
      outputs = [];
      hears?.restart();
    } else return { kind, outputs, ...(reason === undefined ? {} : { reason }) };
  }
  throw new SchedulerError('CLOSED', 'retry', 'the results ended without a final one');
}

/** Puts them again, and waits no longer than until they have been accepted. Never rejects. */
export async function handOver(node: RetryNode, entries: readonly DeadEntry[]): Promise<Outcome[]> {
  const whole = entries.filter(({ body }) => body !== undefined);
  try {
    const puts = await node.putRequests(whole);
    const errors = new Map(whole.map((entry, i) => [entry, puts[i]!.error]));
    return entries.map((entry): Outcome => {
      if (entry.body === undefined) return refused(NOT_KEPT);
      const error = errors.get(entry);
      return error === undefined ? { kind: 'put', outputs: [] } : refused(error);
    });
  } catch (error) {
    return entries.map(() => refused(error));
  }
}

export function refused(error: unknown): Outcome {
  return { kind: 'refused', outputs: [], reason: messageOf(error) };
}
