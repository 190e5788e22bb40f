/**
 * Work conservation: no request waits while an engine is idle that could run it. A look at one instant cannot say that it is broken,
 * as a wake-up is on its way for some ms; so it is judged by what two looks have seen and all between.
 */
import { monotonic } from '../base/clock.ts';
import type { Pause } from './decode.ts';
import type { Line, ShardLines, TopicLook } from './topic-look.ts';

/** What waits for less is being served. */
const SOON_MS = 1_000;

export interface Violation {
  readonly shard: number;
  readonly owner: string;
  readonly id: string;
  /** For how long looks have seen it so. */
  readonly seenMs: number;
}

export class Conservation {
  readonly #now: () => number;
  #since = new Map<string, number>();

  /** @param now ms of a monotonic clock */
  constructor(now: () => number = monotonic) {
    this.#now = now;
  }

  /** Heads of lines that have waited beside an idle engine with room for them at this look, and at all for over a second. */
  judge(look: TopicLook): Violation[] {
    const now = this.#now();
    const since = new Map<string, number>();
    const all = look.shards.flatMap((shard) =>
      strandedIn(shard, look).map(({ owner, head: { ticket, id } }) => {
        const key = `${shard.status.shard} ${ticket}`;
        const from = this.#since.get(key) ?? now;
        since.set(key, from);
        return { shard: shard.status.shard, owner, id, seenMs: now - from };
      }),
    );
    this.#since = since;
    return all.filter(({ seenMs }) => seenMs >= SOON_MS);
  }
}

function strandedIn(shard: ShardLines, { registry: { nodes } }: TopicLook): Line[] {
  const { now, idle, node: alive } = shard.figures;
  const engines = nodes.flatMap(({ name, state, engine }) => {
    const isIdle = (idle.get(name) ?? 0) > now && (alive.get(name) ?? 0) > now;
    if (!isIdle || state !== 'registered' || !engine || engine.down) return [];
    const room = Math.min(engine.largestPrompt ?? Infinity, shard.room.get(name) ?? Infinity);
    return [{ name, room }];
  });
  return shard.lines.filter(({ head, record }) => {
    if (!record || record.runner !== undefined || head.deadline <= now) return false;
    return engines.some(({ name, room }) => head.tokens <= room && !isPaused(record.pauses, name, now));
  });
}

/** The node gave it back a short while ago, or leaves it to others. */
function isPaused(pauses: readonly Pause[], name: string, now: number): boolean {
  return pauses.some(({ node, until, mark }) => node === name && (until > now || mark === 'e'));
}
