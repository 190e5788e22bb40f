/** Writes down what passes between a sched-lua process and Redis, where the process itself would not tell. */
import { SchedulerEvents } from '../../../src/index.ts';
import type { ScriptName } from '../../../src/redis/declarations.ts';
import type { Happening } from './happenings.ts';
import type { HistoryWriter } from './history.ts';

/** What an owner asks of Redis until it has put again what was lost. */
const NOTICED_BY: ReadonlySet<string> = new Set<ScriptName>(['refresh', 'take_results', 'put_requests']);

/**
 * An emitter for the process' schedulers, whose events go into the history.
 * @param collect called as soon as `getResults` has something: it has to be asked
 */
export function witness(history: HistoryWriter<Happening>, collect: () => void): SchedulerEvents {
  const events = new SchedulerEvents();
  events.on('placed', ({ id, ticket, shard }) => history.write({ what: 'placed', id, ticket, shard }));
  // what Redis granted is more than what a handler gets: claims whose answer was lost come again without bodies, and are
  // given back
  events.on('claimed', ({ id, ticket, fence, shard, triesSpent }) =>
    history.write({ what: 'granted', id, ticket, fence, shard, triesSpent }),
  );
  events.on('givenBack', ({ id, fence }) => history.write({ what: 'givenBack', id, fence }));
  events.on('resultTaken', ({ id, ticket, fence, number, kind }) =>
    history.write({ what: 'taken', id, ticket, fence, number, final: kind !== 'chunk' }),
  );
  events.on('answered', ({ shard, script }) => {
    if (NOTICED_BY.has(script)) history.write({ what: 'answered', shard, script });
  });
  events.on('warning', ({ message }) => history.write({ what: 'warned', message }));
  events.on('news', () => queueMicrotask(collect));
  return events;
}
