/** When each wait was the oldest of its shard, by place in line. Pure. */
import { join, within, without, type Span } from './spans.ts';
import type { Wait } from './waits.ts';

/** Waits that never were are left out. Each comes behind all that precede it in line, whose times are joined as it goes. */
export function oldestOf(waits: readonly Wait[]): Map<Wait, Span[]> {
  const ordered = [...waits].sort((one, other) => (one.order < other.order ? -1 : 1));
  /** Per shard, when any of those that came before waited. */
  const before = new Map<number, Span[]>();
  const times = new Map<Wait, Span[]>();
  for (const wait of ordered) {
    const older = before.get(wait.shard) ?? [];
    const first = without([wait], within(older, wait));
    if (first.length > 0) times.set(wait, first);
    before.set(wait.shard, join(older, wait));
  }
  return times;
}
