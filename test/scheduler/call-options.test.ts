// Options of calls: what no option is called is refused by name, and what is given in the wrong place is shown nowhere.
import { inspect } from 'node:util';
import { expect } from 'chai';
import { ConfigError, Retry } from '../../src/index.ts';
import { rejection, request, room, take, useFleet, type Claimed, type Node } from '../support/fleet.ts';

type Call = (node: Node, options: unknown) => Promise<unknown>;

/** A call with these as its options, a right name that is misspelt, and what was meant. */
const CALLS: Readonly<Record<string, readonly [call: Call, misspelt: string, meant: string]>> = {
  // eslint-disable-next-line @typescript-eslint/require-await -- what it throws is a rejection, too
  submit: [async (node, options) => node.submit(request('r'), options as never), 'prioriti', 'priority'],
  putRequests: [
    (node, options) => node.putRequests([request('r')], options as never),
    'deadline',
    'deadlineMs',
  ],
  getRequests: [(node, options) => node.getRequests(room(), options as never), 'waitMS', 'waitMs'],
  run: [(node, options) => node.run(() => 1, options as never), 'buget', 'budget'],
  updateConfig: [(node, options) => node.updateConfig(options as never), 'loadShard', 'loadShards'],
  close: [(node, options) => node.close(options as never), 'drainMS', 'drainMs'],
  giveBack: [async (node, options) => (await claimed(node)).giveBack(options as never), 'afterMS', 'afterMs'],
  // eslint-disable-next-line @typescript-eslint/require-await -- what it throws is a rejection, too
  Retry: [async (_, options) => new Retry('gone', options as never), 'elsewher', 'elsewhere'],
};
const SECRET = 'MY-SECRET-PROMPT';

async function claimed(node: Node): Promise<Claimed> {
  // one after the other: each is held
  await node.putRequests([request(`g${node.stats().totals.put}`)]);
  const [claim] = await take(node, 1);
  return claim!;
}

describe('options of a call', () => {
  const fleet = useFleet();

  let node: Node;
  beforeEach(async () => (node = await fleet.start('a')));

  async function refused(name: string, options: unknown, says: RegExp): Promise<void> {
    const error = await rejection(CALLS[name]![0](node, options));
    expect(error, name).to.be.instanceOf(ConfigError);
    expect(error.message).to.match(says);
    expect(inspect(error, { depth: Infinity, showHidden: true })).not.to.include(SECRET);
    expect(await fleet.loads(), 'nothing was sent').to.deep.equal({});
    expect(node.over.aborted, 'nothing was closed').to.equal(false);
  }

  for (const [name, [, misspelt, meant]] of Object.entries(CALLS)) {
    it(`${name}: a misspelt name is refused, with the one that was meant`, () =>
      refused(
        name,
        { [misspelt]: SECRET },
        new RegExp(`^${misspelt} is no option of ${name}; did you mean ${meant}\\?$`),
      ));

    it(`${name}: a name that is none is refused, with all that there are`, () =>
      refused(name, { prompt: SECRET }, new RegExp(`^prompt is no option of ${name}; there are .*${meant}`)));

    it(`${name}: what is no object with options is refused`, async () => {
      for (const odd of [null, 5, SECRET, [SECRET], () => SECRET, new Map(), new AbortController().signal])
        await refused(name, odd, new RegExp(`^options of ${name}: allowed is an object: .*${meant}`));
    });
  }

  for (const name of ['run', 'updateConfig'])
    it(`${name}: needs its options`, () => refused(name, undefined, /^options of|allowed is an object/));

  it('a misspelt field of a result or a budget is refused before anything is sent: it would be ignored', async () => {
    const { claim } = await claimed(node);
    const misspelt = [{ claim, finised: true, output: SECRET }] as unknown as Parameters<
      Node['putResults']
    >[0];
    const error = await rejection(node.putResults([{ claim, output: 1 }, ...misspelt]));
    expect(error).to.be.instanceOf(ConfigError);
    expect(error.message).to.equal(
      'results[1].finised is no option of a result; did you mean results[1].finished?',
    );
    expect(inspect(error, { depth: Infinity, showHidden: true })).not.to.include(SECRET);
    expect(node.stats().totals.resultsSent, 'nothing was sent').to.equal(0);
    expect(await node.putResults([{ claim, finished: true }])).to.deep.equal(['ok']);
    const budget = { ...room(), readyinMs: 5 };
    expect((await rejection(node.getRequests(budget))).message).to.equal(
      'budget.readyinMs is no option of a budget; did you mean budget.readyInMs?',
    );
  });

  it('a signal that is none is refused', async () => {
    for (const name of ['submit', 'getRequests'])
      for (const signal of [null, SECRET, {}, new AbortController()])
        await refused(name, { signal }, /^signal: allowed is an AbortSignal$/);
  });

  it('times and flags are looked at', async () => {
    await refused('getRequests', { waitMs: null }, /^waitMs is null; allowed is ms of at least 0$/);
    await refused('submit', { priority: null }, /^priority is null; /);
    await refused(
      'putRequests',
      { onOwnerLoss: 'fail' },
      /^onOwnerLoss is "fail"; allowed is one of finish, abort$/,
    );
    await refused('updateConfig', {}, /^loadShards is undefined; allowed is an integer from 1 to 65536$/);
    await refused(
      'updateConfig',
      { loadShards: 2, reallocate: 1 },
      /^reallocate is 1; allowed is true or false$/,
    );
  });

  it('what is no list of requests or results is refused', async () => {
    for (const odd of [null, undefined, SECRET, { ...request('r'), SECRET }, new Set([SECRET])]) {
      const error = await rejection(node.putRequests(odd as never));
      expect(error).to.be.instanceOf(ConfigError);
      expect(error.message).to.equal('requests: allowed is an array');
      expect(inspect(error)).not.to.include(SECRET);
      const other = await rejection(node.putResults(odd as never));
      expect(other.message).to.equal('results: allowed is an array');
    }
    const error = await rejection(node.putResults([{ claim: 'c', output: 1 }, null as never]));
    expect(error).to.be.instanceOf(ConfigError).with.property('message', 'results[1]: allowed is an object');
  });
});
