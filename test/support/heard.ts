// All that a scheduler tells.
import { EVENT_NAMES, SchedulerEvents, type EventName, type EventOf } from '../../src/index.ts';

/** What was told, by the name of its event and in order. */
export type Heard = { [Name in EventName]: EventOf<Name>[] };

/** An emitter, and everything that it tells. */
export function listen(): { events: SchedulerEvents; heard: Heard } {
  const events = new SchedulerEvents();
  const heard = Object.fromEntries(EVENT_NAMES.map((name) => [name, []])) as unknown as Heard;
  for (const name of EVENT_NAMES)
    events.on(name, (event: EventOf<EventName>) => void (heard[name] as unknown[]).push(event));
  return { events, heard };
}
