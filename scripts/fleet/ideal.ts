/**
 * The bound: one central queue, first come first served, in front of all engines, that knows without delay where room
 * is. Its head goes to the open engine with the fewest sequences; an iteration that begins takes what just came.
 */
import type { EngineOptions } from '../../src/testing/engine/engine-model.ts';
import type { OwnedArrival } from '../lib/traffic/scale.ts';
import type { History } from './history.ts';
import { Machine, newHistory } from './machine.ts';

/** Serves the arrivals to the last one. */
export function simulateIdeal(
  arrivals: readonly OwnedArrival[],
  nodes: number,
  options: Partial<EngineOptions> = {},
): History {
  const history = newHistory(arrivals, nodes, options);
  const machines = Array.from({ length: nodes }, (_, node) => new Machine(node, history, options));
  /** The head of the queue, and the next to arrive. */
  let [head, next] = [0, 0];
  for (;;) {
    const ending = earliest(machines);
    const arrivalAt = arrivals[next]?.atMs ?? Infinity;
    const endsAt = ending?.endsAt ?? Infinity;
    const now = Math.min(arrivalAt, endsAt);
    if (now === Infinity) return history;
    if (endsAt <= arrivalAt) for (const id of ending!.end()) history.journeys[id]!.ends += 1;
    else next += 1;
    const dispatch = (): void => {
      while (head < next && leastBusy(machines, head, now)) head += 1;
    };
    dispatch();
    // an iteration that takes prompts up makes room for others
    for (const machine of machines) machine.begin(now);
    dispatch();
  }
}

function earliest(machines: readonly Machine[]): Machine | undefined {
  let first: Machine | undefined;
  for (const machine of machines) {
    if (machine.endsAt !== undefined && !(first && first.endsAt! <= machine.endsAt)) first = machine;
  }
  return first;
}

/** Gives the request to the open engine with the fewest sequences; false if it fits none. */
function leastBusy(machines: readonly Machine[], id: number, now: number): boolean {
  const open = machines.filter((machine) => machine.isOpen);
  if (open.length > 1) open.sort((one, other) => one.size - other.size);
  return open.some((machine) => machine.admit(id, now));
}
