/** `sched-lua dead retry`: a node for one request. */
import { bytesCodec } from '../../base/codec.ts';
import { SchedulerError } from '../../base/errors.ts';
import { removeEntry, type DeadEntry } from '../../inspect/dead-letters.ts';
import type { Registry } from '../../inspect/registry.ts';
import { Scheduler } from '../../scheduler.ts';
import { catchInterrupt } from '../interrupt.ts';
import { count, duration, oneLine, shown, withoutSecrets, type Report, type Shown } from '../output.ts';
import type { Topic } from '../topic.ts';

/** Said of an entry without its body. */
export const NOT_KEPT = 'its payload was not kept (option maxDeadBodyBytes of its owner)';

/** The name of the node that puts the request again; with several retries at a time, the others get `:1`, `:2` … */
const NODE = 'dead-retry';
const PROGRESS_MS = 5000;
/** The defaults; of a topic with a short ttl they are less. */
const LEASE_MS = 30_000;
const POLL_MS = 2000;

/** Puts the request again, waits until it has ended, and removes the entry if it ended well. */
export async function retry(topic: Topic, entry: DeadEntry): Promise<Report> {
  const { client, name, options, registry, source, say } = topic;
  if (entry.body === undefined) return refused(name, entry);
  const interrupted = catchInterrupt();
  const node = await Scheduler.start<Uint8Array, Uint8Array>({
    redis: source,
    topic: name,
    node: NODE,
    // no shard is in use when no node registered within a day; the entry was then found by its name
    loadShards: Math.max(1, registry.shards),
    loadUnit: registry.loadUnit,
    ...timesOf(registry),
    commandTimeout: options.timeout,
    codec: bytesCodec,
    outputCodec: bytesCodec,
    idOf: () => entry.id,
    promptTokensOf: () => entry.promptTokens,
    // the command's own report says how it ended
    onWarning: () => undefined,
  });
  try {
    const ended = await outcome(node, entry.body, say, interrupted);
    if (ended.kind === 'finished') await removeEntry(client, name, entry);
    return report(name, entry, ended, interrupted.aborted);
  } finally {
    await node.close({ pending: 'cancel' });
  }
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

function refused(topic: string, { entry, bytes }: DeadEntry): Report {
  return {
    json: { topic, entry },
    text: '',
    failure: {
      code: 'TOO_LARGE',
      message: `entry ${entry} cannot be retried: ${NOT_KEPT} (${bytes} bytes)`,
      hint: 'put the request again at its source',
    },
  };
}

interface Outcome {
  kind: 'finished' | 'failed' | 'cancelled' | 'expired';
  /** Chunks of the last attempt, then the final's output. */
  outputs: Shown[];
  reason?: string;
}

async function outcome(
  node: Scheduler<Uint8Array, Uint8Array>,
  body: Buffer,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<Outcome> {
  const began = Date.now();
  const results = node.submit(body, { signal });
  let outputs: Shown[] = [];
  say(`put again by node ${node.node}, waiting for a runner`);
  const progress = setInterval(() => {
    const state = outputs.length === 0 ? 'no result yet' : `${count(outputs.length, 'chunk')} so far`;
    say(`${state} after ${duration(Date.now() - began)}`);
  }, PROGRESS_MS);
  try {
    for await (const { kind, output, reason } of results) {
      if (output !== undefined) outputs.push(shown(output));
      if (kind === 'restart') {
        outputs = [];
        say('its runner was lost; another attempt begins');
      } else if (kind !== 'chunk') {
        return { kind, outputs, ...(reason === undefined ? {} : { reason }) };
      }
    }
    throw new SchedulerError('CLOSED', 'retry', 'the results ended without a final one');
  } finally {
    clearInterval(progress);
  }
}

function report(
  topic: string,
  { entry, id }: DeadEntry,
  { kind, outputs, reason }: Outcome,
  interrupted: boolean,
): Report {
  const json = { topic, entry, id, kind, outputs, reason: reason ?? null, removed: kind === 'finished' };
  const text = outputs.map((output) => output.text).join('\n');
  if (kind === 'finished') return { json, text };
  const why = interrupted && kind === 'cancelled' ? 'was interrupted and cancelled' : `ended as ${kind}`;
  const message = `request ${oneLine(id)} ${why}${reason ? `: ${withoutSecrets(oneLine(reason))}` : ''}`;
  return { json, text, failure: { code: kind.toUpperCase(), message, hint: `entry ${entry} is kept` } };
}
