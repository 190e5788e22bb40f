/** Writes down what passes between a sched-lua process and Redis, where the process itself would not tell. */
import { News } from '../../../src/owner/news.ts';
import { Shard } from '../../../src/protocol/shard.ts';
import { parseTicket } from '../../../src/base/ticket.ts';
import type { HistoryWriter } from './history.ts';
import type { Happening } from './happenings.ts';

/** Every answer of a put, claim and take, and every give-back, of all shards of this process. */
export function tapShards(history: HistoryWriter<Happening>): void {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with their shard below
  const { put, claim, pushBack, takeResults } = Shard.prototype;

  Shard.prototype.put = async function (this: Shard, item) {
    const answer = await put.call(this, item);
    if ('ticket' in answer) history.write({ what: 'placed', id: item.id, ticket: answer.ticket });
    return answer;
  };

  // what Redis granted is more than what a handler gets: claims whose answer was lost come again without bodies and
  // are given back
  Shard.prototype.claim = async function (this: Shard, item) {
    const answer = await claim.call(this, item);
    for (const { ticket, fence, triesSpent } of answer.claims) {
      const { id } = parseTicket(ticket);
      history.write({ what: 'granted', id, ticket, fence, shard: this.number, triesSpent });
    }
    return answer;
  };

  Shard.prototype.pushBack = async function (this: Shard, claims) {
    for (const { ticket, fence } of claims)
      history.write({ what: 'givenBack', id: parseTicket(ticket).id, fence });
    await pushBack.call(this, claims);
  };

  Shard.prototype.takeResults = async function (this: Shard, cursor) {
    const answer = await takeResults.call(this, cursor);
    for (const { ticket, fence, number, kind } of answer.mails) {
      const { id } = parseTicket(ticket);
      history.write({ what: 'taken', id, ticket, fence, number, final: kind !== 'chunk' });
    }
    return answer;
  };
}

/** `getResults` has to be asked: it is, as soon as there is something. */
export function tapNews(collect: () => void): void {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its news below
  const sink = News.prototype.sink;
  News.prototype.sink = function (this: News<unknown>, id: string) {
    const own = sink.call(this, id);
    return {
      ...own,
      deliver: (result) => {
        own.deliver(result);
        queueMicrotask(collect);
      },
    };
  };
}
