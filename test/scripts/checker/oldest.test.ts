import { expect } from 'chai';
import fc from 'fast-check';
import { oldestOf } from '../../../scripts/lib/checker/oldest.ts';
import { without } from '../../../scripts/lib/checker/spans.ts';
import type { Wait } from '../../../scripts/lib/checker/waits.ts';

const some = fc.array(
  fc.record({ shard: fc.nat(1), order: fc.nat(30), from: fc.nat(40), ms: fc.integer({ min: 1, max: 20 }) }),
  { maxLength: 25 },
);

describe('the checker knows when a wait was the oldest of its shard', () => {
  it('as if it compared each with all', () => {
    fc.assert(
      fc.property(some, (given) => {
        const waits = given.map(({ shard, order, from, ms }, i): Wait => {
          // no two have one place in line
          const place = `${String(order).padStart(2, '0')}.${String(i).padStart(2, '0')}`;
          return {
            id: `${i}`,
            shard,
            order: place,
            tokens: 1,
            lapses: 0,
            claimedBy: undefined,
            from,
            to: from + ms,
          };
        });
        const times = oldestOf(waits);
        for (const wait of waits) {
          const older = waits.filter((one) => one.shard === wait.shard && one.order < wait.order);
          const { from, to } = wait;
          expect(times.get(wait) ?? []).to.deep.equal(without([{ from, to }], older));
        }
      }),
    );
  });
});
