// The option deadLetter: its owner decides what of a request is kept, whoever ends it.
import { expect } from 'chai';
import { request, room, take, useFleet } from '../support/fleet.ts';
import { waitUntil } from '../support/server.ts';

describe('what is kept of requests that ended', () => {
  const fleet = useFleet();

  interface Entry {
    ticket: string;
    kind: string;
    error: string;
    nodes: string;
    body: string;
  }

  const entries = async (): Promise<Entry[]> =>
    (await fleet.snapshot()).dead.map((entry) => {
      const text = (name: keyof Entry): string => entry.get(name)!.toString();
      return Object.fromEntries(
        (['ticket', 'kind', 'error', 'nodes', 'body'] as const).map((name) => [name, text(name)]),
      ) as unknown as Entry;
    });

  it('goes by the option of each owner, not of the runner, and bodies by their size', async () => {
    const careful = await fleet.start('careful', { deadLetter: 'failed', maxDeadBodyBytes: 60 });
    const careless = await fleet.start('careless');
    const runner = await fleet.start('runner', { deadLetter: 'all', maxDeadBodyBytes: 0 });
    const served = runner.run(() => Promise.reject(new Error('out of memory')), { budget: room() });
    const long = request(`long${'g'.repeat(60)}`);
    const all = [careful.submit(request('x')), careful.submit(long), careless.submit(request('y'))];
    for (const one of all)
      expect((await one.result().catch((error: unknown) => error)) instanceof Error).to.equal(true);
    const found = (await entries()).sort((a, b) => (a.body < b.body ? -1 : 1));
    expect(found.map(({ ticket, ...rest }) => ({ id: ticket.split('|').at(-1), ...rest }))).to.deep.equal([
      { id: long.request_id, kind: 'failed', error: 'out of memory', nodes: 'runner', body: '' },
      {
        id: 'x',
        kind: 'failed',
        error: 'out of memory',
        nodes: 'runner',
        body: JSON.stringify(request('x')),
      },
    ]);
    await runner.close();
    await served;
  });

  it('has what its owner failed, with the reason and the node that was at it', async () => {
    const owner = await fleet.start('owner', {
      ...{ deadLetter: 'failed', minLoadScore: 1 },
      outputCodec: {
        encode: (output) => JSON.stringify(output),
        decode: () => {
          throw new Error('of a newer version');
        },
      },
    });
    const runner = await fleet.start('runner', { minLoadScore: 1 });
    const submission = owner.submit(request('x'));
    const [claimed] = await take(runner, 1);
    await runner.putResults([{ claim: claimed!.claim, output: 'one' }]);
    const reason = 'a result could not be decoded: of a newer version';
    const told = await submission.result().catch((error: unknown) => String(error));
    expect(told).to.include(reason);
    await waitUntil(async () => (await entries()).length > 0, 'it is kept', 15_000);
    const [entry] = await entries();
    expect(entry).to.deep.include({ kind: 'failed', error: reason, nodes: 'runner' });
  });
});
