/** Whether a server has our scripts. */
import { count } from '../../base/words.ts';
import { allScripts } from '../../redis/run-script.ts';
import type { Finding } from '../../redis/suitability.ts';
import { findingOf } from './condition.ts';

/** Every node runs it again and again: while one lives it is there, unless nodes may not load it. */
const CONSTANT = 'register';

/** @param exists of SCRIPT EXISTS, in the order of {@link allScripts}; undefined: it may not be asked */
export function examineScripts(
  exists: readonly number[] | undefined,
  { role, isUsed }: { role: 'master' | 'replica'; isUsed: boolean },
): Finding {
  if (exists === undefined) return findingOf('scripts', undefined);
  const names = Object.values(allScripts()).map(({ name }) => name);
  const missing = names.filter((_, at) => exists[at] !== 1);
  const found = `${names.length - missing.length} of ${count(names.length, 'script')}`;
  if (missing.length === 0) return findingOf('scripts', found);
  const remedy = 'load them; as often as you like';
  const command = 'sched-lua load';
  const why = `${missing.length === names.length ? 'all scripts' : missing.join(' ')} missing`;
  if (isUsed && missing.includes(CONSTANT)) {
    const more = "nodes with scripts: 'preloaded' are refused; others load them at their next call";
    return findingOf('scripts', found, { why: `${why}: ${more}`, remedy, command });
  }
  const when = role === 'replica' ? 'after a failover to it ' : '';
  return findingOf('scripts', found, {
    why: `${why}: ${when}nodes with scripts: 'preloaded' need them, others load what they need`,
    ...{ remedy, command, severity: 'note' },
  });
}
