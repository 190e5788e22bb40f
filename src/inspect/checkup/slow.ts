/** Slow calls of a server: those of our scripts by name, as SLOWLOG knows them by SHA1 or by their text. */
import { count, duration } from '../../base/words.ts';
import { allScripts } from '../../redis/run-script.ts';
import type { Finding } from '../../redis/suitability.ts';
import { findingOf } from './condition.ts';

/** Of SLOWLOG GET. */
export type SlowEntry = [id: number, at: number, us: number, args: string[], ...more: unknown[]];

export const SLOW_ENTRIES = 128;
/** A call that takes longer stalls everybody for a time that can be seen; older ones are history. */
const STALL_MS = 50;
const RECENT_S = 600;
/** SLOWLOG cuts a long argument, and says so behind it. */
const CUT = /\.\.\. \(\d+ more bytes\)$/;

/** `script claim`, if it is one of ours; `script of ours` if its beginning may be of several; else the command. */
export function nameOf(args: readonly string[]): string {
  const [command = '', what = ''] = args;
  if (!/^EVAL/i.test(command)) return command.toUpperCase();
  const text = what.replace(CUT, '');
  const [script, ...others] = Object.values(allScripts()).filter((one) =>
    /^EVALSHA/i.test(command) ? one.sha1 === what.toLowerCase() : one.text.startsWith(text),
  );
  if (others.length > 0) return 'script of ours';
  return script ? `script ${script.name}` : 'a script of others';
}

/** @param nowS of the server's clock; undefined entries: they may not be read */
export function examineSlow(entries: readonly SlowEntry[] | undefined, nowS: number): Finding {
  if (entries === undefined) return findingOf('slow calls', undefined);
  const recent = entries.filter(([, at]) => nowS - at <= RECENT_S);
  const worst = new Map<string, { ms: number; calls: number }>();
  for (const [, , us, args] of recent) {
    const name = nameOf(args);
    const { ms, calls } = worst.get(name) ?? { ms: 0, calls: 0 };
    worst.set(name, { ms: Math.max(ms, us / 1000), calls: calls + 1 });
  }
  const rows = [...worst].sort(([, a], [, b]) => b.ms - a.ms);
  const told = ([name, { ms, calls }]: (typeof rows)[number]): string =>
    `${name} ${count(calls, 'time')}, at most ${duration(ms)}`;
  const found =
    rows.length === 0
      ? `none in ${duration(RECENT_S * 1000)}`
      : rows.slice(0, 3).map(told).join('; ') + (rows.length > 3 ? ` and ${rows.length - 3} more` : '');
  const stalls = rows.filter(([, { ms }]) => ms >= STALL_MS);
  if (stalls.length === 0) return findingOf('slow calls', found);
  const ours = stalls.some(([name]) => name.startsWith('script '));
  return findingOf('slow calls', found, {
    why: `${stalls.map(told).join('; ')}: everybody waits meanwhile`,
    remedy: ours
      ? 'give the server a core of its own, and the topic more shards (loadShards)'
      : 'find who sends them; the log tells its address',
    command: `SLOWLOG GET ${SLOW_ENTRIES}`,
  });
}
