/** Makes the planned faults happen. */
import { clientActs } from './acts/clients.ts';
import { networkActs } from './acts/network.ts';
import { processActs } from './acts/processes.ts';
import { serverActs } from './acts/server.ts';
import type { FaultName, PlannedFault } from './plan.ts';
import { Scene, type Act, type Stage } from './scene.ts';

export class Faults {
  readonly counts: Partial<Record<FaultName, number>> = {};
  readonly scene: Scene;
  readonly #stage: Stage;
  readonly #acts: Record<FaultName, Act>;
  readonly #going = new Set<Promise<void>>();

  constructor(stage: Stage) {
    this.#stage = stage;
    const scene = new Scene(stage);
    this.scene = scene;
    this.#acts = { ...processActs(scene), ...networkActs(scene), ...serverActs(scene), ...clientActs(scene) };
  }

  /** Strikes; it may last longer than this call. */
  strike({ name, draws }: PlannedFault): void {
    const act = this.#acts[name];
    const going = act(...draws)
      .then((what) => {
        if (what === undefined) return;
        this.counts[name] = (this.counts[name] ?? 0) + 1;
        this.#stage.tell(`${name}: ${what}`);
      })
      // a fault that could not strike does not count
      .catch((error: unknown) => this.#stage.tell(`${name} did not strike: ${String(error)}`))
      .finally(() => this.#going.delete(going));
    this.#going.add(going);
  }

  /** Resolves when what was begun is over, and nothing of it stays. */
  async calm(): Promise<void> {
    this.scene.over = true;
    await Promise.all(this.#going);
    this.#stage.network.calm();
    const { client } = this.#stage.keyspace;
    await client.config('SET', 'maxmemory', '0');
    await client.config('SET', 'client-query-buffer-limit', '1gb');
  }
}
