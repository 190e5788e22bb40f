/** Puts for the option `waitReplicas`: a WAIT behind each. */
import { messageOf } from '../base/errors.ts';
import type { ScriptMode, WaitReplicas } from '../base/options.ts';
import type { ScriptName } from './declarations.ts';
import { runScriptAndWait, type Argument, type Client } from './run-script.ts';
import type { WaitQueue } from './wait-queue.ts';

export interface ReplicatedPutsRules {
  waitReplicas: WaitReplicas;
  scripts: ScriptMode;
  onWarning: (message: string) => void;
}

/** Those of one scheduler. */
export class ReplicatedPuts {
  readonly #queue: WaitQueue;
  readonly #rules: ReplicatedPutsRules;

  constructor(queue: WaitQueue, rules: ReplicatedPutsRules) {
    this.#queue = queue;
    this.#rules = rules;
  }

  /** Carries them, but for those that go alone. */
  get client(): Client {
    return this.#queue.client;
  }

  /** Runs a script. `replicated`: `waitReplicas.replicas` replicas had what it wrote within `timeoutMs`. */
  async run(
    client: Client,
    name: ScriptName,
    keys: readonly string[],
    args: readonly Argument[],
  ): Promise<{ reply: Buffer[]; replicated: boolean }> {
    const { scripts, waitReplicas, onWarning } = this.#rules;
    const call = { mode: scripts, name, keys, args };
    // the side connection carries one call at a time
    const sent =
      client === this.client ? this.#queue.run(call) : runScriptAndWait(client, call, waitReplicas);
    const { reply, replicas } = await sent;
    if (typeof replicas === 'number') return { reply, replicated: replicas >= waitReplicas.replicas };
    // the put itself was done
    onWarning(`waitReplicas: Redis refused WAIT: ${messageOf(replicas)}`);
    return { reply, replicated: false };
  }
}
