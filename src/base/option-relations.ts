/**
 * How options must go together, so that the promises of lua/README.md#promises hold: each relation once, with its reason.
 * `settle.ts` checks them after the options themselves, and docs/options.md is printed from them.
 */
import { ConfigError } from './errors.ts';
import type { AnySettings } from './option-kinds.ts';

/** `times` x `small` is at most `large`. */
export interface Relation {
  readonly small: 'leaseMs' | 'stealAfterMs' | 'pollMs' | 'flushMs' | 'waitReplicas.timeoutMs';
  readonly times: number;
  readonly large: 'ttlMs' | 'leaseMs' | 'commandTimeout';
  /** What would not hold otherwise; without its full stop. */
  readonly reason: string;
  /** In words: when it counts; missing: always. */
  readonly when?: { readonly shown: string; readonly holds: (settled: AnySettings) => boolean };
}

export const RELATIONS: readonly Relation[] = [
  {
    small: 'leaseMs',
    times: 2,
    large: 'ttlMs',
    reason: 'a request whose runner died must be back in line, and run again, before its deadline',
  },
  {
    small: 'stealAfterMs',
    times: 2,
    large: 'ttlMs',
    reason: 'what a dead owner left must be free for its peers, and run, before its deadline',
    when: { shown: 'unless `policy` is `none`', holds: ({ policy }) => policy !== 'none' },
  },
  {
    small: 'pollMs',
    times: 4,
    large: 'ttlMs',
    reason: 'a request whose ring was lost must be found by a poll, and run, before its deadline',
  },
  {
    small: 'flushMs',
    times: 3,
    large: 'leaseMs',
    reason:
      'a chunk that waits must be sent before its claim is refreshed, so that a lost claim is noticed as early as without',
  },
  {
    small: 'flushMs',
    times: 2,
    large: 'commandTimeout',
    reason: 'a chunk may wait so long before it is sent, and must be answered in time all the same',
  },
  {
    small: 'waitReplicas.timeoutMs',
    times: 3,
    large: 'commandTimeout',
    reason: "a put may wait behind another one's wait, and must be answered in time all the same",
  },
];

/**
 * @param given what the user wrote: of the two options of a relation the one that was given is the one that is refused
 * @throws ConfigError naming both options of the first relation that does not hold, their values and what is allowed
 */
export function checkRelations(
  settled: AnySettings,
  given: Readonly<Partial<Record<Relation['large'], unknown>>>,
): void {
  for (const { small, times, large, reason, when } of RELATIONS) {
    const [less, more] = [valueOf(settled, small), settled[large]];
    if (less === undefined || when?.holds(settled) === false || times * less <= more) continue;
    if (given[large] !== undefined)
      throw new ConfigError(large, more, `at least ${times} x ${small}, which is ${less}: ${reason}`);
    throw new ConfigError(small, less, `at most ${large} / ${times}, and ${large} is ${more}: ${reason}`);
  }
}

function valueOf(settled: AnySettings, small: Relation['small']): number | undefined {
  return small === 'waitReplicas.timeoutMs' ? settled.waitReplicas?.timeoutMs : settled[small];
}
