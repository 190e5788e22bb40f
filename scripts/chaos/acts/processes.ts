/** Faults of processes: they die, stand still, lose their name or their date, and join with other options. */
import { shardOf } from '../../../src/base/keys.ts';
import { describe } from '../../lib/harness/happenings.ts';
import type { ChaosMember } from '../node.ts';
import { only, type Act, type Scene } from '../scene.ts';

/** Nodes that must be up when one is killed. */
const SURVIVORS = 2;
/** Far below the fleet's, and as short as its periods allow. */
const SHORT_TTL_MS = 3_000;

export function processActs(scene: Scene) {
  const { stage, windows } = scene;

  const stall = async (whom: number, ms: number): Promise<string | undefined> => {
    const victim = scene.victim(whom);
    if (!victim) return undefined;
    await windows.during('stall', only(victim), () => victim.stall(ms));
    return `${describe(victim)} for ${Math.round(ms)} ms`;
  };

  return {
    kill: (whom, long, much) => {
      const victim = scene.victim(whom);
      if (!victim || stage.fleet.up.length <= SURVIVORS) return Promise.resolve(undefined);
      victim.kill();
      const takeover = much < 0.8;
      const afterMs = Math.round(long * 2 * stage.leaseMs);
      scene.succeed(victim, takeover, afterMs);
      const successor = `a successor ${takeover ? 'with' : 'without'} takeover in ${afterMs} ms`;
      return Promise.resolve(`${describe(victim)} by SIGKILL; ${successor}`);
    },
    takeover: (whom) => {
      const victim = scene.victim(whom);
      if (!victim) return Promise.resolve(undefined);
      scene.succeed(victim, true, 0);
      return Promise.resolve(`another instance takes over ${describe(victim)} while it lives`);
    },
    'stall-short': (whom, long) => stall(whom, (0.1 + 0.5 * long) * stage.leaseMs),
    'stall-long': (whom, long) => stall(whom, (1.2 + 1.5 * long) * stage.leaseMs),
    'clock-step': (whom, long, much) => {
      const victim = scene.victim(whom);
      if (!victim) return Promise.resolve(undefined);
      const stepMs = Math.round((much < 0.5 ? -1 : 1) * 3_600_000 * long);
      victim.order({ order: 'clock', stepMs });
      return Promise.resolve(`${describe(victim)} by ${stepMs} ms`);
    },
    'shard-added': (whom) => {
      const before = scene.shards;
      // a front that puts into the new shard from then on: others must hear of it
      const isFront = ({ node, settings }: ChaosMember): boolean =>
        settings.slots === 0 && shardOf(node, before + 1) === before;
      const victim = scene.victim(whom, isFront);
      const count = victim && scene.addShard();
      if (count === undefined) return Promise.resolve(undefined);
      victim!.order({ order: 'shards', count });
      // its successors come with as many
      victim!.settings.loadShards = count;
      // nodes hear of it when they renew their names, which they do twice as often as they must
      windows.add('shard-added', { shards: new Set([before]) }, stage.guest.keepAliveMs / 2);
      return Promise.resolve(`${describe(victim!)} has ${count} load shards from now on`);
    },
    'ttl-short-node': async () => {
      const guest = await scene.guest('brief', { ttlMs: SHORT_TTL_MS, slots: 2 });
      return guest && `${describe(guest)} keeps what is unused for ${SHORT_TTL_MS} ms`;
    },
  } satisfies Record<string, Act>;
}
