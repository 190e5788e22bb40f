// A short chaos of the real thing, processes, a Redis of its own behind a proxy and every fault, for ours and for the
// reference's algorithm: a checker that cannot fail proves nothing.
import { rmSync } from 'node:fs';
import { expect } from 'chai';
import { drawSetup, FAULT_NAMES } from '../../../scripts/chaos/plan.ts';
import { conclude } from '../../../scripts/chaos/report.ts';
import { runChaos, type Outcome } from '../../../scripts/chaos/run.ts';

/** Enough for every kind of fault to strike. */
const SECONDS = 12;
const TWIN_SECONDS = 6;
const SEED = 7;

async function chaos(
  algorithm: 'ours' | 'reference',
  seconds: number,
): Promise<{ outcome: Outcome; report: string }> {
  const lines: string[] = [];
  const settings = { seconds, seed: SEED, faults: FAULT_NAMES, perSecond: 100, setup: drawSetup(SEED) };
  const outcome = await runChaos({ ...settings, algorithm, tell: (line) => void lines.push(line) });
  return { outcome, report: `${lines.join('\n')}\n${conclude(outcome)}` };
}

describe('a short chaos', function () {
  this.timeout(180_000);
  this.slow(60_000);

  it('loses nothing, doubles nothing, and keeps the order', async () => {
    const { outcome, report } = await chaos('ours', SECONDS);
    expect(outcome.violations, report).to.deep.equal([]);
    expect(outcome.figures).to.include({ lost: 0, duplicated: 0, staleAccepted: 0, orderViolations: 0 });
    expect(outcome.figures.accepted, report).to.be.greaterThan(100);
    expect(Object.keys(outcome.faults).length, report).to.be.greaterThan(8);
  });

  it('loses requests of the naive twin, by the same seed and faults', async () => {
    const { outcome, report } = await chaos('reference', TWIN_SECONDS);
    if (outcome.histories !== undefined) rmSync(outcome.histories, { recursive: true });
    expect(outcome.figures.accepted, report).to.be.greaterThan(50);
    expect(outcome.figures.lost, report).to.be.greaterThan(0);
  });
});
