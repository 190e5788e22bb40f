import { expect } from 'chai';
import type { Shard } from '../../src/protocol/shard.ts';
import { waitUntil } from '../support/server.ts';
import { OwnerWorld, frameOf, mailOf, ticketOf, turn, type FakeShard } from './owner-world.ts';

describe('results in frames', () => {
  let world: OwnerWorld;
  beforeEach(() => (world = new OwnerWorld()));
  afterEach(() => world.owner.close(new Error('closed') as never));

  const take = (shard: FakeShard, ...mails: FakeShard['mails']): Promise<void> => {
    shard.mails.push(...mails);
    return world.owner.mailbox(shard as unknown as Shard).empty();
  };

  it('come to their requests, in order, each once', async () => {
    await world.accepted('r');
    await world.accepted('s');
    const [r, s] = [ticketOf('r'), ticketOf('s')];
    await take(
      world.shard,
      frameOf([5, 1, r], [6, 1, s], [5, 2], [5, 2], [6, 1]),
      mailOf(r, 'finished', 5, 3),
    );
    expect(world.told).to.deep.equal({ r: ['chunk', 'chunk', 'finished'], s: ['chunk'] });
  });

  it('of a request that was put again come late, and find nothing: it is put again once', async () => {
    await world.accepted('r');
    const [lost, stands] = [ticketOf('r'), ticketOf('r', 2)];
    await take(world.shard, frameOf([5, 1, lost], [5, 3]));
    await waitUntil(() => world.shard.puts.length === 2, 'it is put again');
    // on their way when its owner cancelled the ticket
    await take(world.shard, frameOf([5, 4]), frameOf([5, 5]));
    await world.shard.answer({ status: 'OK', ticket: stands });
    await take(world.shard, frameOf([5, 6, lost], [5, 7]), frameOf([9, 1, stands], [9, 2]), frameOf([5, 8]));
    await turn();
    expect([world.shard.puts.length, world.shard.unanswered]).to.deep.equal([2, 0]);
    expect(world.told.r, 'nothing was told of two attempts at once').to.deep.equal([
      'chunk',
      'restart',
      'chunk',
      'chunk',
    ]);
  });

  it('of two shards with the same fence do not meet', async () => {
    await world.accepted('r');
    const other = world.shards[1]!;
    await take(world.shard, frameOf([5, 1, ticketOf('r')]));
    await take(other, frameOf([5, 2], [5, 3]));
    expect(world.told.r).to.deep.equal(['chunk']);
    expect(world.shard.puts.length, 'and nobody finds a gap').to.equal(1);
  });

  it('that cross the answer of their put are held until it comes', async () => {
    const put = world.put('r');
    await take(world.shard, frameOf([5, 1, ticketOf('r')], [5, 2]));
    expect(world.told.r).to.deep.equal([]);
    await world.shard.answer({ status: 'OK', ticket: ticketOf('r') });
    await put;
    expect(world.told.r).to.deep.equal(['chunk', 'chunk']);
  });

  it('of a predecessor begin wherever it has read to, once they are introduced', async () => {
    world = new OwnerWorld({ successor: true });
    await take(world.shard, frameOf([5, 7], [5, 8]));
    await take(world.shard, frameOf([5, 9, ticketOf('old')]), mailOf(ticketOf('old'), 'finished', 5, 10));
    expect(world.told).to.deep.equal({ old: ['chunk', 'chunk', 'chunk', 'finished'] });
  });

  it('of a predecessor that were given up are not hidden: the request fails', async () => {
    world = new OwnerWorld({ successor: true, maxResults: 1 });
    await take(world.shard, frameOf([5, 7], [6, 1]));
    await take(world.shard, frameOf([5, 8, ticketOf('old')]));
    expect(world.told).to.deep.equal({ old: ['failed: results were lost'] });
  });
});
