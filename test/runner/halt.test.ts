import { expect } from 'chai';
import { monotonic } from '../../src/base/clock.ts';
import { Halt } from '../../src/runner/halt.ts';

describe('a halt of a runner', () => {
  const never = new AbortController().signal;

  it('is over when it is said, and at its time if nothing is', async () => {
    const halt = new Halt();
    await halt.over(never);
    halt.set(3_600_000);
    const over = halt.over(never);
    expect(halt.isOn).to.equal(true);
    halt.set(0);
    await over;
    expect(halt.isOn).to.equal(false);
    const from = monotonic();
    halt.set(20);
    await halt.over(never);
    expect(monotonic() - from).to.be.at.least(19);
  });

  it('may be made longer, or shorter, while it is waited for', async () => {
    const halt = new Halt();
    halt.set(3_600_000);
    const from = monotonic();
    const over = halt.over(never);
    halt.set(5);
    halt.set(40);
    await over;
    expect(monotonic() - from).to.be.at.least(39);
  });

  it('is waited for no longer than the claim is held', async () => {
    const halt = new Halt();
    halt.set(3_600_000);
    const claim = new AbortController();
    const over = halt.over(claim.signal);
    claim.abort();
    await over;
    expect(halt.isOn).to.equal(true);
  });
});
