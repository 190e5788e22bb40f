// A short chaos run of the real thing: processes, a Redis of its own behind a proxy, and every fault.
import { expect } from 'chai';
import { FAULT_NAMES } from '../../scripts/chaos/plan.ts';
import { conclude } from '../../scripts/chaos/report.ts';
import { runChaos } from '../../scripts/chaos/run.ts';

const SECONDS = 15;
const SEED = 7;

describe('a short chaos', () => {
  it('loses nothing, doubles nothing, and keeps the order', async function () {
    this.timeout(150_000);
    this.slow(60_000);
    const lines: string[] = [];
    const outcome = await runChaos({
      ...{ seconds: SECONDS, seed: SEED, faults: FAULT_NAMES, algorithm: 'ours', perSecond: 100 },
      tell: (line) => void lines.push(line),
    });
    expect(outcome.violations, `${lines.join('\n')}\n${conclude(outcome)}`).to.deep.equal([]);
    expect(outcome.figures).to.include({ lost: 0, duplicated: 0, staleAccepted: 0, orderViolations: 0 });
    expect(outcome.figures.accepted).to.be.greaterThan(200);
    expect(Object.values(outcome.faults).reduce((sum, count) => sum + count, 0)).to.be.greaterThan(10);
  });
});
