// Every pair of options at its extremes: it is refused by name, or the relations on which the promises stand hold.
import { expect } from 'chai';
import { ConfigError } from '../../src/base/errors.ts';
import type { AnySettings } from '../../src/base/option-kinds.ts';
import { RELATIONS } from '../../src/base/option-relations.ts';
import { settle } from '../../src/base/settle.ts';
import {
  CHOICES,
  WAITS,
  completed,
  configurations,
  optionsOf,
  pairs,
  tried,
  type Choice,
} from './extremes.ts';

/** The longest that a poll is put off: `jittered`. */
const JITTER = 1.25;

/** What would be broken, in the words of the promises; computed from times of the protocol, not from the relations. */
function broken(settled: AnySettings): string[] {
  const { leaseMs, stealAfterMs, pollMs, ttlMs, policy, commandTimeout, waitReplicas, loadShards } = settled;
  const { flushMs } = settled;
  const freeAfter = policy === 'none' ? 0 : stealAfterMs;
  const promises: [string, boolean][] = [
    // a lease, and then the next refresh of a living node, a third of a lease later
    ['node death: claims return before the deadline', (4 / 3) * leaseMs < ttlMs],
    ['node death: waiting requests are stolen before the deadline', freeAfter + JITTER * pollMs < ttlMs],
    ['wake-ups: a lost message loses no request', JITTER * pollMs < ttlMs],
    // a refresh every third of a lease names what was lost
    ['fencing: a chunk that waits is refused no later than its claim is', flushMs <= leaseMs / 3],
    ['results: a chunk that waits is answered in time', flushMs < commandTimeout],
    ['replicated puts: a put behind a wait is answered', 2 * (waitReplicas?.timeoutMs ?? 0) < commandTimeout],
    [
      'times are exact in Redis',
      Date.now() + 1.5 * pollMs * loadShards + ttlMs + leaseMs < Number.MAX_SAFE_INTEGER,
    ],
  ];
  return promises.filter(([, holds]) => !holds).map(([promise]) => promise);
}

function valueOf(settled: Record<string, unknown>, option: string): unknown {
  return option
    .split('.')
    .reduce<unknown>((value, name) => (value as Record<string, unknown>)[name], settled);
}

/** The options as they would be settled if nothing spoke against it. */
function unsettled(choices: readonly Choice[]): Record<string, unknown> {
  return { ...settle({}), ...optionsOf(choices) };
}

describe('options in pairs', () => {
  const all = [...CHOICES, WAITS];

  it('are refused by name, both with their values and the reason, or hold what the promises stand on', () => {
    let [refused, taken] = [0, 0];
    for (const pair of pairs(all)) {
      const outcome = tried(pair);
      const said = JSON.stringify(optionsOf(pair));
      if (!(outcome instanceof ConfigError)) {
        taken += 1;
        expect(broken(outcome), said).to.deep.equal([]);
        continue;
      }
      refused += 1;
      const { message, option } = outcome;
      const relation = RELATIONS.find(({ reason }) => message.endsWith(`: ${reason}`))!;
      expect(relation, `${said}: ${message}`).to.not.equal(undefined);
      expect([relation.small, relation.large]).to.include(option);
      expect(pair.map((one) => one.option)).to.include(option.split('.')[0]);
      const values = unsettled(pair);
      for (const name of [relation.small, relation.large]) {
        expect(message).to.include(name);
        // the default of stealAfterMs follows leaseMs under some policies, and is then not written out here
        if (name !== 'stealAfterMs' || pair.some((one) => one.option === name))
          expect(message).to.include(String(valueOf(values, name)));
      }
    }
    expect(refused, 'refused').to.be.greaterThan(100);
    expect(taken, 'taken').to.be.greaterThan(300);
  });

  for (const { small, times, large, when } of RELATIONS) {
    it(`${times} x ${small} <= ${large}: one more is refused, just as much is not`, () => {
      const options = (less: number): object => ({
        ...(small === 'leaseMs' ? {} : { leaseMs: small === 'flushMs' ? 30_000 : 100 }),
        [large]: 6_000,
        ...(small === 'pollMs' ? {} : { pollMs: 10 }),
        ...(small === 'waitReplicas.timeoutMs'
          ? { waitReplicas: { replicas: 1, timeoutMs: less } }
          : { [small]: less }),
      });
      settle(options(6_000 / times));
      expect(() => settle(options(6_000 / times + 1))).to.throw(
        ConfigError,
        `${large} is 6000; allowed is at least ${times} x ${small}, which is ${6_000 / times + 1}: `,
      );
      if (when) settle({ ...options(6_000), policy: 'none' });
    });

    it(`${times} x ${small} <= ${large}: the one that was given is the one that is refused`, () => {
      const most = Math.floor(settle({})[large] / times);
      const given = small.startsWith('waitReplicas')
        ? { waitReplicas: { replicas: 1, timeoutMs: most + 1 } }
        : { [small]: most + 1 };
      expect(() => settle(given)).to.throw(
        ConfigError,
        `${small} is ${most + 1}; allowed is at most ${large} / ${times}, and ${large} is ${settle({})[large]}: `,
      );
    });
  }

  it('leave no extreme that cannot be reached', () => {
    for (const choice of CHOICES.flat())
      expect(completed([choice]), JSON.stringify(choice)).to.be.an('array');
  });

  it('that can stand are all found in the configurations that are run', () => {
    const runs = configurations(CHOICES);
    for (const pair of pairs(CHOICES))
      if (completed(pair))
        expect(
          runs.some((run) => pair.every((one) => run.includes(one))),
          JSON.stringify(pair),
        ).to.equal(true);
    console.log(`      ${runs.length} configurations`);
  });
});
