// Every duration that a user may give, far beyond what a timer of Node.js can hold: nothing spins, nothing is cut short.
import { expect } from 'chai';
import { ConfigError } from '../../src/index.ts';
import { PATIENT, rejection, request, requests, room, useFleet } from '../support/fleet.ts';

const LONG_MS = [2 ** 31, 2 ** 40, Number.MAX_SAFE_INTEGER, 1e300];

describe('durations beyond a timer', () => {
  const fleet = useFleet();
  const overflows: string[] = [];
  const note = ({ name, message }: Error): void => {
    if (name === 'TimeoutOverflowWarning') overflows.push(message);
  };
  before(() => process.on('warning', note));
  after(() => process.off('warning', note));
  afterEach(() => expect(overflows.splice(0)).to.deep.equal([]));

  for (const ms of LONG_MS) {
    it(`waitMs ${ms}: a call waits, and is woken by work`, async () => {
      const node = await fleet.start('a');
      const waiting = node.getRequests(room(), { waitMs: ms });
      await node.putRequests([request('x')]);
      expect((await waiting).map(({ id }) => id)).to.deep.equal(['x']);
    });

    it(`readyInMs ${ms}: nothing is claimed before, and the call ends when it is told to`, async () => {
      const node = await fleet.start('a');
      const stop = new AbortController();
      const waiting = node.getRequests(room(4, { readyInMs: ms }), { waitMs: ms, signal: stop.signal });
      await node.putRequests([request('x')]);
      stop.abort();
      expect(await waiting).to.deep.equal([]);
      expect((await node.getRequests(room(), PATIENT)).map(({ id }) => id)).to.deep.equal(['x']);
    });
  }

  for (const drainMs of [...LONG_MS, Infinity]) {
    it(`drainMs ${drainMs}: a handler that is at work may end`, async () => {
      const node = await fleet.start('a');
      let [begin, end] = [() => {}, () => {}];
      const begun = new Promise<void>((resolve) => (begin = resolve));
      const finish = new Promise<void>((resolve) => (end = resolve));
      const served = node.run(
        async () => {
          begin();
          await finish;
          return 'done';
        },
        { budget: room() },
      );
      const result = node.submit(request('x')).result();
      await begun;
      const closed = node.close({ drainMs });
      // a drain that had been cut short would have aborted the handler by now
      await new Promise((resolve) => setTimeout(resolve, 50));
      end();
      expect(await result).to.equal('done');
      await Promise.all([closed, served]);
    });
  }

  it('a bad option of close is refused by name, and the scheduler goes on', async () => {
    const node = await fleet.start('a');
    for (const options of [{ drainMs: -1 }, { drainMs: NaN }, { drainMs: '5' }, { pending: 'drop' }]) {
      const error = await rejection(node.close(options as object));
      expect(error).to.be.instanceOf(ConfigError).with.property('option', Object.keys(options)[0]);
    }
    const [outcome] = await node.putRequests(requests('x', 1));
    expect(outcome!.error).to.equal(undefined);
  });
});
