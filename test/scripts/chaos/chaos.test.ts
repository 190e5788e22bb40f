// A short chaos of the real thing, processes, a Redis of its own behind a proxy and every fault, for ours, for the
// reference's algorithm, and for a fleet that strands requests: a checker that cannot fail proves nothing.
import { rmSync } from 'node:fs';
import { expect } from 'chai';
import { drawSetup, FAULT_NAMES } from '../../../scripts/chaos/plan.ts';
import { conclude } from '../../../scripts/chaos/report.ts';
import { runChaos, type ChaosOptions, type Outcome } from '../../../scripts/chaos/run.ts';

/** Enough for every kind of fault to strike. */
const SECONDS = 12;
const TWIN_SECONDS = 6;
/** Longer than anything may wait. */
const STRANDED_SECONDS = 4;
const SEED = 7;

async function chaos(options: Partial<ChaosOptions>): Promise<{ outcome: Outcome; report: string }> {
  const lines: string[] = [];
  const outcome = await runChaos({
    ...{ algorithm: 'ours', seconds: SECONDS, seed: SEED, faults: FAULT_NAMES, perSecond: 50 },
    ...{ setup: drawSetup(SEED), tell: (line) => void lines.push(line), ...options },
  });
  return { outcome, report: `${lines.join('\n')}\n${conclude(outcome)}` };
}

/** Of a run that is to break promises. */
function forget({ histories }: Outcome): void {
  if (histories !== undefined) rmSync(histories, { recursive: true });
}

describe('a short chaos', function () {
  this.timeout(180_000);
  this.slow(60_000);

  it('loses nothing, doubles nothing, and keeps the order', async () => {
    const { outcome, report } = await chaos({});
    expect(outcome.violations, report).to.deep.equal([]);
    expect(outcome.figures).to.include({ lost: 0, duplicated: 0, staleAccepted: 0, orderViolations: 0 });
    expect(outcome.figures.accepted, report).to.be.greaterThan(100);
    expect(Object.keys(outcome.faults).length, report).to.be.greaterThan(8);
  });

  it('loses requests of the naive twin, by the same seed and faults', async () => {
    const { outcome, report } = await chaos({ algorithm: 'reference', seconds: TWIN_SECONDS });
    forget(outcome);
    expect(outcome.figures.accepted, report).to.be.greaterThan(50);
    expect(outcome.figures.lost, report).to.be.greaterThan(0);
  });

  it('sees that a fleet which never steals lets the requests of a front wait beside idle engines', async () => {
    const setup = { loadShards: 1, policy: 'none' } as const;
    const { outcome, report } = await chaos({ seconds: STRANDED_SECONDS, faults: [], setup });
    forget(outcome);
    expect(
      outcome.violations.map(({ kind }) => kind),
      report,
    ).to.include('waited');
  });
});
