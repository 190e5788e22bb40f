// Found by `npm run chaos -- --seed 11`: a node that has taken a name over, and stalled while it ran its own request.
import { expect } from 'chai';
import { jsonCodec } from '../../../src/index.ts';
import { Backlog } from '../../../src/owner/backlog.ts';
import { Delivery } from '../../../src/owner/delivery.ts';
import { PendingTable, type Pending } from '../../../src/owner/pending.ts';
import { Attempts } from '../../../src/owner/attempts.ts';
import type { Result, Sink } from '../../../src/owner/results.ts';
import { RedisShard } from '../../../src/protocol/shard.ts';
import type { Delivered } from '../../../src/protocol/wire.ts';
import { joinTicket } from '../../../src/base/ticket.ts';

const shard = Object.create(RedisShard.prototype) as RedisShard;
const ticket = joinTicket('a', '00000000000001|00000001|00000000ffff', 'r1');

function mail(fence: string, kind: 'chunk' | 'finished'): Delivered {
  return { tick: fence, ticket, fence, number: 1, kind, payload: Buffer.from('"output"') };
}

describe('a successor whose own claim was lost', () => {
  it('tells nothing of it once another runner has ended the request', () => {
    const told: Result[] = [];
    const sink: Sink<unknown> = {
      ...{ deliver: (result) => void told.push(result), backlog: new Backlog(), fail: () => undefined },
    };
    const pendings = new PendingTable<unknown>();
    const delivery = new Delivery<unknown>(pendings, {
      outputCodec: jsonCodec(),
      onRestart: 'restart',
      ttlMs: 60_000,
      readers: { deliver: ({ sink }, chunk) => sink.deliver(chunk) },
      predecessor: () => sink,
      failEarly: () => undefined,
      onLost: () => undefined,
      onGap: () => undefined,
    });
    const pending: Pending<unknown> = {
      ...{ id: 'r1', shard, promptTokens: 1, headStartMs: 0, onOwnerLoss: 'finish' as const },
      ...{ putAt: 0, deadlineAt: Infinity, payload: '{}' },
      ...{ attempts: new Attempts(), sink, triesLeft: 3, triesSpent: 0, abandoned: false },
    };
    pendings.add(pending);
    pendings.setTicket(pending, ticket);

    const answered = delivery.sending(ticket);
    delivery.deliver(shard, mail('00000000000007', 'finished'));
    delivery.deliver(shard, mail('00000000000005', 'chunk'));
    answered();
    expect(told.map(({ kind }) => kind)).to.deep.equal(['finished']);
  });
});
