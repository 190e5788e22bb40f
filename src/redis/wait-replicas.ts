/**
 * Puts for the option `waitReplicas`: a connection of their own, as WAIT holds one up, and a WAIT behind each.
 */
import { messageOf } from '../base/errors.ts';
import type { ScriptMode, WaitReplicas } from '../base/options.ts';
import type { ScriptName } from './declarations.ts';
import { runScriptAndWait, type Argument, type Client } from './run-script.ts';

export interface ReplicatedPutsRules {
  waitReplicas: WaitReplicas;
  scripts: ScriptMode;
  onWarning: (message: string) => void;
}

export class ReplicatedPuts {
  /** Carries them, as WAIT holds a connection up. */
  readonly client: Client;
  readonly #rules: ReplicatedPutsRules;

  constructor(client: Client, rules: ReplicatedPutsRules) {
    this.client = client;
    this.#rules = rules;
  }

  /** Runs a script. `replicated`: `waitReplicas.replicas` replicas had what it wrote within `timeoutMs`. */
  async run(
    client: Client,
    name: ScriptName,
    keys: readonly string[],
    args: readonly Argument[],
  ): Promise<{ reply: Buffer[]; replicated: boolean }> {
    const { scripts, waitReplicas, onWarning } = this.#rules;
    const { reply, replicas } = await runScriptAndWait(client, scripts, name, keys, args, waitReplicas);
    if (typeof replicas === 'number') return { reply, replicated: replicas >= waitReplicas.replicas };
    // the put itself was done
    onWarning(`waitReplicas: Redis refused WAIT: ${messageOf(replicas)}`);
    return { reply, replicated: false };
  }
}
