// Many puts in one call do not hold up the event loop, and cost no more each than few do.
import { expect } from 'chai';
import { PUTS_A_TURN } from '../../src/owner/door.ts';
import { MAX_ITEMS } from '../../src/protocol/wire.ts';
import { commandsDuring, counts } from '../support/commands.ts';
import { useFleet, type Node } from '../support/fleet.ts';

const MANY = 3_840;

interface Small {
  id: string;
}

describe('many puts at once', function () {
  this.timeout(120_000);
  const fleet = useFleet();
  const list = Array.from({ length: MANY }, (_, i): Small => ({ id: `r${i}` }));
  /** How many requests were looked at so far. */
  let read: number;

  const start = async (): Promise<Node> => {
    read = 0;
    const idOf = ({ id }: Small): string => {
      read += 1;
      return id;
    };
    const options = { idOf, promptTokensOf: () => 1, maxWaiting: MANY, commandTimeout: 60_000 };
    return (await fleet.start<Small>('front', options)) as unknown as Node;
  };
  /** The most that was read between two turns of the event loop, until `done`. */
  const mostInATurn = async (done: Promise<unknown>): Promise<number> => {
    const over = new AbortController();
    void done.finally(() => over.abort());
    let most = read;
    for (let last = read; !over.signal.aborted; last = read) {
      await new Promise((resolve) => setImmediate(resolve));
      most = Math.max(most, read - last);
    }
    return most;
  };

  it('let the event loop turn between them, and go out in full calls, in order', async () => {
    const front = await start();
    let most = Infinity;
    const sent = await commandsDuring(fleet.redis, async () => {
      const put = front.putRequests(list as never);
      most = await mostInATurn(put);
      expect((await put).filter(({ error }) => error)).to.deep.equal([]);
    });
    expect(most).to.be.within(1, PUTS_A_TURN);
    // the first may go as EVAL, as the server does not know the script yet
    expect(counts(sent).put_requests).to.be.within(MANY / MAX_ITEMS - 1, (MANY / MAX_ITEMS) * 1.1);
    const { waiting } = await fleet.snapshot();
    expect(waiting.map((ticket) => ticket.split('|').at(-1))).to.deep.equal(list.map(({ id }) => id));
  });

  it('may be changed and closed meanwhile: what was not put is refused', async () => {
    const front = await start();
    const mine = [...list];
    const put = front.putRequests(mine as never);
    mine.length = 0;
    await new Promise((resolve) => setImmediate(resolve));
    await front.close();
    expect(fleet.warnings.filter((warning) => warning.startsWith('close'))).to.deep.equal([]);
    const outcomes = await put;
    expect(outcomes.map(({ id }) => id).filter((id) => id !== '')).to.deep.equal(
      list.slice(0, read).map(({ id }) => id),
    );
    const codes = outcomes.map(({ error }) => error?.code);
    expect(outcomes).to.have.length(MANY);
    expect(new Set(codes.slice(read))).to.deep.equal(new Set(['CLOSED']));
    expect((await fleet.snapshot()).waiting).to.have.length(codes.indexOf('CLOSED'));
  });

  it('by submit are each encoded at once, and put in order', async () => {
    const front = await start();
    const one: Small = { id: '' };
    const submissions = list.slice(0, 600).map(({ id }) => {
      one.id = id;
      return front.submit(one as never);
    });
    await Promise.all(submissions.map((submission) => submission.cancel()));
    for (const [i, submission] of submissions.entries()) {
      expect(submission.id).to.equal(`r${i}`);
      for await (const { kind } of submission) expect(kind).to.equal('cancelled');
    }
  });
});
