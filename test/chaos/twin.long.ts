// A checker that cannot fail proves nothing: the reference's algorithm goes through the same chaos, and fails it.
import { rmSync } from 'node:fs';
import { expect } from 'chai';
import type { FaultName } from '../../scripts/chaos/plan.ts';
import { conclude } from '../../scripts/chaos/report.ts';
import { runChaos, type Outcome } from '../../scripts/chaos/run.ts';

const SECONDS = 8;
const SEED = 3;
/** Faults that the reference should survive as well: dead processes and broken connections, no loss of data. */
const FAULTS: FaultName[] = ['kill', 'cut-before', 'cut-after', 'client-kill', 'stall-short'];

function chaos(algorithm: 'ours' | 'reference'): Promise<Outcome> {
  const settings = { seconds: SECONDS, seed: SEED, faults: FAULTS, perSecond: 100 };
  return runChaos({ ...settings, algorithm, tell: () => undefined });
}

describe('the naive twin', () => {
  it('loses requests where we lose none', async function () {
    this.timeout(200_000);
    this.slow(120_000);
    const twin = await chaos('reference');
    if (twin.histories !== undefined) rmSync(twin.histories, { recursive: true });
    expect(twin.figures.accepted).to.be.greaterThan(100);
    expect(twin.figures.lost, conclude(twin)).to.be.greaterThan(0);
    const ours = await chaos('ours');
    expect(ours.violations, conclude(ours)).to.deep.equal([]);
  });
});
