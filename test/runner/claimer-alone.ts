import { expect } from 'chai';
import { idleClaimer } from './idle-claimer.ts';

const BUDGET = {
  availableBlocks: 100,
  blockSize: 16,
  reservedOutputBlocks: 1,
  maxNumBatchedTokens: 100,
  batch: 16,
};
import { actAlone } from '../support/alone.ts';

/** A ring that comes after the stop is passed on at once, whatever its delay. */
async function ringAfterStop(): Promise<void> {
  const { asked, claimer } = idleClaimer();
  await claimer.getRequests(BUDGET, 0);
  claimer.stop();
  asked.length = 0;
  claimer.ring(1, 0);
  claimer.ring(2, 60_000);
  expect(asked).to.deep.equal([1, 2]);
}

/** The same without the stop, whose second ring sets a timer: what it leaves open shows that the check sees it. */
async function ring(): Promise<void> {
  const { claimer } = idleClaimer();
  await claimer.getRequests(BUDGET, 0);
  claimer.ring(2, 60_000);
}

actAlone({ ringAfterStop, ring });
