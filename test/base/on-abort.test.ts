import { getEventListeners } from 'node:events';
import { expect } from 'chai';
import { onAbort } from '../../src/base/on-abort.ts';

describe('what is done when a signal fires', () => {
  const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

  it('is done once for each who asked, in their order, by one listener', () => {
    const controller = new AbortController();
    const done: number[] = [];
    for (let i = 0; i < 20; i += 1) onAbort(controller.signal, () => done.push(i));
    expect(listeners(controller.signal)).to.equal(1);
    controller.abort();
    expect(done).to.deep.equal(Array.from({ length: 20 }, (_, i) => i));
  });

  it('is not done for who has let go of it, and the last one takes the listener along', () => {
    const controller = new AbortController();
    const done: string[] = [];
    const [forgetA, forgetB] = ['a', 'b'].map((name) => onAbort(controller.signal, () => done.push(name)));
    forgetA!();
    forgetA!();
    expect(listeners(controller.signal)).to.equal(1);
    forgetB!();
    expect(listeners(controller.signal)).to.equal(0);
    onAbort(controller.signal, () => done.push('c'));
    // what was let go of before is nothing to those who come later
    forgetB!();
    controller.abort();
    expect(done).to.deep.equal(['c']);
  });

  it('lets go of the others in the middle of it', () => {
    const controller = new AbortController();
    const done: string[] = [];
    const forget = onAbort(controller.signal, () => {
      done.push('a');
      forget();
    });
    onAbort(controller.signal, () => done.push('b'));
    controller.abort();
    expect(done).to.deep.equal(['a', 'b']);
  });
});
