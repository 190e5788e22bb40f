/** Faults of clients: what they bring is larger than any engine, or more than they read. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe } from '../../lib/harness/happenings.ts';
import { only, type Act, type Scene } from '../scene.ts';

/** A front puts what runs elsewhere, so that its results go by its mailbox. */
const BEFORE_THEY_RUN_MS = 60;

export function clientActs(scene: Scene) {
  return {
    oversize: (whom, long) => {
      const victim = scene.victim(whom);
      if (!victim) return Promise.resolve(undefined);
      const count = 1 + Math.floor(4 * long);
      victim.order({ order: 'bring', what: 'oversize', count });
      return Promise.resolve(`${count} at ${describe(victim)}`);
    },
    overflow: async (_, long) => {
      const guest = await scene.guest('reader', { slots: 0 });
      if (!guest) return undefined;
      guest.order({ order: 'bring', what: 'chatty', count: 3 });
      await sleep(BEFORE_THEY_RUN_MS);
      const ms = Math.round(500 + 1_000 * long);
      await scene.windows.during('overflow', only(guest), () => guest.stall(ms));
      return `${describe(guest)} reads nothing for ${ms} ms`;
    },
  } satisfies Record<string, Act>;
}
