/**
 * Scripts with a WAIT behind them, over a connection of their own, which WAIT holds up: one WAIT at a time. What comes
 * meanwhile goes out together, behind one more. So whoever shares the connection waits for one WAIT before its own at most.
 */
import type { WaitReplicas } from '../base/options.ts';
import { runScriptsAndWait, serversOf, type Client, type Replicated, type ScriptCall } from './run-script.ts';

interface Waiting {
  call: ScriptCall;
  resolve: (replicated: Replicated) => void;
  reject: (error: unknown) => void;
}

export class WaitQueue {
  readonly client: Client;
  readonly waitReplicas: WaitReplicas;
  /** By server: what goes out after the WAIT that is under way. */
  readonly #next = new Map<string, Waiting[]>();

  constructor(client: Client, waitReplicas: WaitReplicas) {
    this.client = client;
    this.waitReplicas = waitReplicas;
  }

  /** @throws BrokenConnection if nobody knows whether it was run */
  run(call: ScriptCall): Promise<Replicated> {
    return new Promise((resolve, reject) => {
      const waiting = { call, resolve, reject };
      const servers = serversOf(this.client, call.keys[0]!);
      const next = this.#next.get(servers);
      if (next) {
        next.push(waiting);
      } else {
        this.#next.set(servers, [waiting]);
        void this.#flow(servers);
      }
    });
  }

  async #flow(servers: string): Promise<void> {
    const next = this.#next.get(servers)!;
    while (next.length > 0) await this.#together(next.splice(0));
    this.#next.delete(servers);
  }

  /** Never rejects. */
  async #together(waiting: readonly Waiting[]): Promise<void> {
    const calls = waiting.map(({ call }) => call);
    const outcomes = await runScriptsAndWait(this.client, calls, this.waitReplicas);
    waiting.forEach(({ resolve, reject }, i) => {
      const outcome = outcomes[i]!;
      if ('error' in outcome) reject(outcome.error);
      else resolve(outcome);
    });
  }
}
