// A cancel ends a request also while it is being put again: whatever was lost, and whatever keeps it out of line.
import { expect } from 'chai';
import type { Submission } from '../../src/index.ts';
import { Proxy } from '../../scripts/chaos/proxy.ts';
import { rejection, request, serve, useFleet, type Node } from '../support/fleet.ts';
import { waitUntil } from '../support/server.ts';

describe('cancel() of a request that is being put again', () => {
  const fleet = useFleet();
  let owner: Node;

  const isGone = async (): Promise<boolean> => (await fleet.snapshot()).request.size === 0;
  const wake = (what: 'results' | 'refresh'): Promise<number> =>
    fleet.redis.publish(`{${fleet.topic}}:wake:owner`, `${what} 0 0`);
  const inLine = async (): Promise<string> => {
    await waitUntil(async () => (await fleet.snapshot()).waiting.length === 1, 'it is in line');
    return (await fleet.snapshot()).waiting[0]!;
  };
  /** The tables with requests are lost, as by a DEL of an operator. */
  const lose = (): Promise<number> =>
    fleet.redis.del(
      ...(['waiting', 'head', 'load', 'request', 'body', 'due'] as const).map((t) => fleet.key(t)),
    );
  /** As if results 1 to 4 of some claim had been lost with a replica. */
  const loseResults = async (): Promise<void> => {
    const ticket = await inLine();
    const tick = (Date.now() * 1_000).toString(16).padStart(14, '0');
    const length = Buffer.byteLength(ticket).toString(16).padStart(4, '0');
    const chunk = `${ticket}${tick}00000005c${'0'.repeat(42)}1`;
    await fleet.redis.zadd(fleet.key('out'), 0, `owner|${tick}|${length}${chunk}`);
    await wake('results');
  };
  const ways = {
    'that Redis lost': async () => (await inLine(), await lose(), await wake('refresh')),
    'of which results were lost': loseResults,
  };

  for (const [which, act] of Object.entries(ways)) {
    it(`${which} ends it: it is not executed`, async () => {
      owner = await fleet.start('owner');
      const submission = owner.submit(request('r'));
      const cancelled = new Promise<void>((resolve, reject) => {
        owner.events.on('putAgain', () => void submission.cancel().then(resolve, reject));
      });
      await act();
      await cancelled;
      expect(await isGone(), 'Redis has answered').to.equal(true);
      expect(await rejection(submission.result())).to.have.property('code', 'CANCELLED');
      const executed = serve(await fleet.start('engine'));
      expect(await owner.submit(request('r')).result(), 'its id is free').to.equal('r');
      expect(executed).to.have.length(1);
    });
  }

  it('between the loss and the put ends it: it is not executed', async () => {
    const proxy = new Proxy(Number(new URL(fleet.url).port));
    try {
      owner = await fleet.start('owner', { redis: await proxy.open() });
      const submission = owner.submit(request('r'));
      await inLine();
      proxy.delay(100);
      await loseResults();
      // Redis has cancelled it, and the answer is on its way
      await waitUntil(isGone, 'the owner mends it', 15_000);
      await submission.cancel();
      proxy.delay(0);
      expect(await rejection(submission.result())).to.have.property('code', 'CANCELLED');
      expect(await isGone()).to.equal(true);
      await owner.close();
    } finally {
      await proxy.close();
    }
  });

  for (const [what, end] of [
    ['it', (one: Submission<unknown>): Promise<unknown> => one.cancel()],
    ['it, as a reset does,', (): Promise<unknown> => owner.reset()],
  ] as const)
    it(`for which there is no room ends ${what} at once`, async () => {
      owner = await fleet.start('owner', { maxWaiting: 1, leaseMs: 600_000, ttlMs: 1_200_000 });
      const submission = owner.submit(request('r'));
      await inLine();
      await lose();
      const other = owner.submit(request('other'));
      await inLine();
      const again = new Promise((resolve) => owner.events.on('putAgain', resolve));
      await wake('refresh');
      await again;
      const cancelled = end(submission);
      expect(await rejection(submission.result())).to.have.property('code', 'CANCELLED');
      await cancelled;
      await other.cancel();
      expect(await isGone()).to.equal(true);
    });
});
