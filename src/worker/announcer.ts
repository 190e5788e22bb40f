import { jittered, sleep, soon, within } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import {
  ANNOUNCE_EVERY_MS,
  announce,
  withdraw,
  type ModelEntry,
  type RegistryClient,
} from '../openai/registry.ts';

/** How long one announcement waits for Redis. */
const ANSWER_MS = 5_000;

/** Says again and again which models a worker serves, until it stops. */
export class Announcer {
  readonly #client: RegistryClient;
  readonly #fleet: string;
  readonly #entries: readonly ModelEntry[];
  readonly #warn: (message: string) => void;
  readonly #stop = new AbortController();
  readonly #everyMs: number;
  #done: Promise<void> | undefined;
  /** Redis did not take the last one. */
  #isFailing = false;

  constructor(
    client: RegistryClient,
    fleet: string,
    entries: readonly ModelEntry[],
    warn: (message: string) => void,
    everyMs = ANNOUNCE_EVERY_MS,
  ) {
    this.#client = client;
    this.#fleet = fleet;
    this.#entries = entries;
    this.#warn = warn;
    this.#everyMs = everyMs;
  }

  get isFailing(): boolean {
    return this.#isFailing;
  }

  /** Says it once, however that ends, and goes on. */
  async start(): Promise<void> {
    await this.#say();
    this.#done = this.#goOn();
  }

  /** Says that the worker serves them no more. Never rejects. */
  async stop(): Promise<void> {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    await this.#done;
    await soon(ANSWER_MS, withdraw(this.#client, this.#fleet, this.#entries)).catch(() => undefined);
  }

  async #goOn(): Promise<void> {
    for (;;) {
      await sleep(jittered(this.#everyMs) * 0.8, this.#stop.signal);
      if (this.#stop.signal.aborted) return;
      await this.#say();
    }
  }

  async #say(): Promise<void> {
    try {
      await within(ANSWER_MS, 'announce', announce(this.#client, this.#fleet, this.#entries));
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing)
        this.#warn(`the models cannot be announced, it is tried again: ${messageOf(error)}`);
      this.#isFailing = true;
    }
  }
}
