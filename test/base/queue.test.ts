import { expect } from 'chai';
import fc from 'fast-check';
import { Queue } from '../../src/base/queue.ts';

describe('a queue', () => {
  it('gives what a list gives, whatever is pushed and taken', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('push', 'push', 'shift', 'shift', 'clear')), (acts) => {
        const queue = new Queue<number>();
        const list: number[] = [];
        acts.forEach((act, i) => {
          if (act === 'push') {
            queue.push(i);
            list.push(i);
          } else if (act === 'shift') {
            expect(queue.shift()).to.equal(list.shift());
          } else {
            queue.clear();
            list.length = 0;
          }
          expect(queue.length).to.equal(list.length);
        });
      }),
    );
  });
});
