import type { History, Room } from './history.ts';

interface Event {
  atMs: number;
  act: () => void;
}

/**
 * The share of all slot-time, from the first arrival to the last entry, in which a slot was idle while a request
 * waited anywhere that its engine could have taken: 0 for a queue that conserves work. A slot counts as idle while its
 * engine takes prompts and the slot is free, and a waiting request keeps at most one slot idle.
 */
export function workConservation(history: History): number {
  const { nodes, slotsPerNode, journeys } = history;
  const rooms = new Map<number, Room>();
  const waiting = new Map<number, number>();
  const events: Event[] = [
    ...history.rooms.map((room) => ({ atMs: room.atMs, act: () => void rooms.set(room.node, room) })),
    ...journeys.flatMap(({ atMs, enteredAt, blocks }, id) => [
      { atMs, act: () => void waiting.set(id, blocks) },
      { atMs: enteredAt, act: () => void waiting.delete(id) },
    ]),
  ].sort((one, other) => one.atMs - other.atMs);

  const from = journeys[0]?.atMs ?? 0;
  const to = Math.max(from, ...journeys.map(({ enteredAt }) => enteredAt));
  let wasted = 0;
  let since = from;
  for (const { atMs, act } of events) {
    const until = Math.min(Math.max(atMs, from), to);
    if (until > since) {
      if (waiting.size > 0) wasted += (until - since) * idleSlots([...rooms.values()], [...waiting.values()]);
      since = until;
    }
    act();
  }
  return to === from ? 0 : wasted / ((to - from) * nodes * slotsPerNode);
}

/** How many of those that wait could run now: the smallest first, each in the engine with the most room. */
function idleSlots(rooms: readonly Room[], waiting: readonly number[]): number {
  const free = rooms.filter(({ slots }) => slots > 0).map(({ slots, blocks }) => ({ slots, blocks }));
  let idle = 0;
  for (const blocks of [...waiting].sort((one, other) => one - other)) {
    const engine = free.sort((one, other) => other.blocks - one.blocks).find(({ slots }) => slots > 0);
    if (!engine || engine.blocks < blocks) break;
    engine.slots -= 1;
    engine.blocks -= blocks;
    idle += 1;
  }
  return idle;
}
