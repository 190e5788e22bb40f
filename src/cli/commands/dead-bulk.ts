/** `sched-lua dead retry` and `drop` of all entries that a filter means. */
import { pagesOf, type DeadFilter } from '../../inspect/dead-filter.ts';
import { removeEntries, type DeadEntry } from '../../inspect/dead-letters.ts';
import { count, oneLine, withoutSecrets, type Report } from '../output.ts';
import { withProgress } from '../progress.ts';
import type { Topic } from '../topic.ts';
import { isWell, Patience, type RetryOptions } from './retry.ts';
import {
  handOver,
  NOT_KEPT,
  outcome,
  refused,
  startNode,
  type Outcome,
  type RetryNode,
} from './retry-node.ts';

/** Requests of one command that wait for their results: enough for a fleet, and less than a page of the stream. */
const AT_ONCE = 64;
/** So many that did not end well are named one by one. */
const NAMED = 20;

export function selected({ client, name, registry }: Topic, filter: DeadFilter): AsyncGenerator<DeadEntry[]> {
  return pagesOf({ client, topic: name, shards: registry.shards, now: registry.now }, filter);
}

export async function dropAll(topic: Topic, filter: DeadFilter): Promise<Report> {
  const { client, name, say } = topic;
  let dropped = 0;
  await withProgress(
    () => say(`dropped ${dropped} so far`),
    async () => {
      for await (const page of selected(topic, filter)) dropped += await removeEntries(client, name, page);
    },
  );
  return {
    json: { topic: name, dropped },
    text: dropped === 0 ? nothing(name) : `dropped ${count(dropped, 'dead request')} of topic ${name}`,
  };
}

interface Retried {
  entry: DeadEntry;
  ended: Outcome;
}

/** One node puts all of them again, and removes the entries of those that end well. */
export async function retryAll(topic: Topic, filter: DeadFilter, { wait }: RetryOptions): Promise<Report> {
  const patience = new Patience(topic);
  let node: RetryNode | undefined;
  const all: Retried[] = [];
  const note = async (retried: readonly Retried[]): Promise<void> => {
    const well = retried.filter(({ ended }) => isWell(ended)).map(({ entry }) => entry);
    await removeEntries(topic.client, topic.name, well);
    all.push(...retried.map(({ entry, ended }) => ({ entry: { ...entry, body: undefined }, ended })));
  };
  const work = async (): Promise<void> => {
    for await (const page of selected(topic, filter)) {
      if (patience.over.aborted) break;
      node ??= await startNode(topic, { isLeft: !wait });
      if (wait) await eachEnded(node, page, patience.over, note);
      else {
        const ends = await handOver(node, page);
        await note(page.map((entry, i) => ({ entry, ended: ends[i]! })));
      }
    }
  };
  try {
    await withProgress(() => topic.say(`${all.length} ended so far: ${tally(all) || 'no result yet'}`), work);
    return report(topic.name, all, patience);
  } finally {
    patience.end();
    await node?.close({ pending: wait ? 'cancel' : 'keep' });
  }
}

async function eachEnded(
  node: RetryNode,
  page: readonly DeadEntry[],
  over: AbortSignal,
  note: (retried: readonly Retried[]) => Promise<void>,
): Promise<void> {
  const rest = [...page];
  const one = async (): Promise<void> => {
    for (let entry = rest.shift(); entry && !over.aborted; entry = rest.shift()) {
      const whole = entry.body !== undefined;
      const ended = whole ? await outcome(node, entry, over).catch(refused) : refused(NOT_KEPT);
      await note([{ entry, ended }]);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

/** `3 finished, 1 failed`. */
function tally(all: readonly Retried[]): string {
  const counts = new Map<string, number>();
  for (const { ended } of all) counts.set(ended.kind, (counts.get(ended.kind) ?? 0) + 1);
  return [...counts].map(([kind, many]) => `${many} ${kind}`).join(', ');
}

function report(topic: string, all: readonly Retried[], patience: Patience): Report {
  const bad = all.filter(({ ended }) => !isWell(ended));
  const json = {
    topic,
    retried: all.length,
    removed: all.length - bad.length,
    entries: all.map(({ entry: { entry, id }, ended }) => ({
      ...{ entry, id, kind: ended.kind, reason: ended.reason ?? null, removed: isWell(ended) },
    })),
  };
  const lines = bad.slice(0, NAMED).map(({ entry: { entry, id }, ended: { kind, reason } }) => {
    const why = reason === undefined ? '' : `: ${withoutSecrets(oneLine(reason))}`;
    return `${entry}, request ${oneLine(id)}: ${kind}${why}`;
  });
  if (bad.length > NAMED) lines.push(`and ${bad.length - NAMED} more`);
  const isCut = patience.over.aborted;
  const summary = all.length === 0 ? nothing(topic) : `retried ${all.length}: ${tally(all)}`;
  const text = [summary, ...lines].join('\n');
  if (bad.length === 0 && !isCut) return { json, text };
  const cut = patience.isOut ? '; --timeout ended the others' : isCut ? '; it was interrupted' : '';
  const code = patience.isOut ? 'TIMEOUT' : isCut ? 'CANCELLED' : 'FAILED';
  const message = `${bad.length} of ${count(all.length, 'dead request')} did not end well${cut}`;
  return { json, text, failure: { code, message, hint: 'their entries are kept' } };
}

export function nothing(topic: string): string {
  return `topic ${topic}: no such dead requests`;
}
