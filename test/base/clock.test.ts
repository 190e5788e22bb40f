import { expect } from 'chai';
import { Alarm, after, monotonic, sleep, within } from '../../src/base/clock.ts';

/** More than a timer of Node.js can hold: it would ring at once. */
const TOO_LONG = [2 ** 31, 2 ** 40, 1e300, Infinity];

describe('the clock', () => {
  for (const ms of TOO_LONG) {
    it(`waits ${ms} ms, and not none, wherever it waits`, async () => {
      const rung: string[] = [];
      const stop = new AbortController();
      const cancel = after(ms, () => rung.push('after'));
      const alarm = new Alarm(() => rung.push('alarm'));
      alarm.within(ms);
      const slept = sleep(ms, stop.signal).then(() => rung.push('sleep'));
      let resolve!: (value: string) => void;
      const kept = within(ms, 'test', new Promise<string>((settle) => (resolve = settle)));
      kept.catch(() => rung.push('within'));
      // a timer that overflowed would have rung after 1 ms
      await sleep(20);
      expect(rung).to.deep.equal([]);
      cancel();
      alarm.clear();
      stop.abort();
      await slept;
      resolve('in time');
      expect([await kept, ...rung]).to.deep.equal(['in time', 'sleep']);
    });
  }

  it('waits a long time as several timers, and no shorter for it', async () => {
    const from = monotonic();
    await new Promise<void>((resolve) => after(35, resolve, 10));
    // a timer may ring up to 1 ms early
    expect(monotonic() - from).to.be.at.least(34);
  });

  it('calls nothing after it was cancelled, also between two of several timers', async () => {
    let rung = false;
    // far longer than this test: only a timer that went on after it was cancelled could find it
    const cancel = after(1_000, () => (rung = true), 5);
    await sleep(7);
    cancel();
    await sleep(1_100);
    expect(rung).to.equal(false);
  });
});
