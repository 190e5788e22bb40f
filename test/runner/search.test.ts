import { expect } from 'chai';
import type { ClaimAnswer, ClaimItem } from '../../src/protocol/wire.ts';
import { NOTHING, search } from '../../src/runner/search.ts';
import { NO_WORK, work } from './idle-claimer.ts';

const ITEM: ClaimItem = { ...NOTHING, limit: 4, keepForMs: 9 };
const BLOCKED: ClaimAnswer = { ...NO_WORK, status: 'BLOCKED' };

/** What a search ends with, and where each of its claims went on. */
async function searched(
  answers: readonly ClaimAnswer[],
  most = Infinity,
): Promise<{ answer: ClaimAnswer; on: number[] }> {
  const left = [...answers];
  const on: number[] = [];
  const answer = await search(
    (item) => {
      expect({ ...item, askOn: 0 }).to.deep.equal(ITEM);
      on.push(item.askOn);
      return Promise.resolve(left.shift()!);
    },
    ITEM,
    () => on.length >= most,
  );
  return { answer, on };
}

describe('a search through a shard', () => {
  it('goes on where each answer says, until one does not', async () => {
    expect(await searched([{ ...NO_WORK, askOn: 3 }, { ...NO_WORK, askOn: 7 }, work(['a'])])).to.deep.equal({
      ...{ answer: work(['a']), on: [0, 3, 7] },
    });
    expect((await searched([NO_WORK])).on).to.deep.equal([0]);
  });

  it('says the first time that any part of it said, when work can be taken', async () => {
    for (const [times, againMs] of [
      [[50, 70], 50],
      [[70, 50], 50],
      [[undefined, 70], 70],
      [[70, undefined], 70],
      [[undefined, undefined], undefined],
    ] as const) {
      const [first, last] = times.map((ms) => ({ ...NO_WORK, ...(ms === undefined ? {} : { againMs: ms }) }));
      const { answer } = await searched([{ ...first!, askOn: 3 }, last!]);
      expect(answer.againMs).to.equal(againMs);
    }
  });

  it('ends when the node has stopped', async () => {
    const { on } = await searched([{ ...NO_WORK, askOn: 3 }, NO_WORK], 1);
    expect(on).to.deep.equal([0]);
  });

  it('was blocked if any part of it was, and nothing was found', async () => {
    const on = { askOn: 3 };
    for (const [answers, status] of [
      [[{ ...BLOCKED, ...on }, NO_WORK], 'BLOCKED'],
      [[{ ...NO_WORK, ...on }, { ...BLOCKED, ...on }, NO_WORK], 'BLOCKED'],
      [[{ ...NO_WORK, ...on }, NO_WORK], 'IDLE'],
      [[{ ...BLOCKED, ...on }, work(['a'])], 'OK'],
      [[BLOCKED], 'BLOCKED'],
    ] as const)
      expect((await searched(answers)).answer.status).to.equal(status);
  });
});
