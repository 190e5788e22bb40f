/** The time that handlers have to end when their scheduler closes; asked again, it may become shorter. */
import { Alarm, unless } from '../base/clock.ts';

export class Drain {
  readonly #over = new AbortController();
  readonly #alarm = new Alarm(() => this.#over.abort());

  /** It is over in so many ms, or earlier if that was said before. */
  within(ms: number): void {
    this.#alarm.within(ms);
  }

  /** Resolves when they have ended, had their time for it, or the node is over. */
  async until(ended: Promise<void>, over: AbortSignal): Promise<void> {
    await unless(AbortSignal.any([this.#over.signal, over]), ended).catch(() => undefined);
    this.clear();
  }

  clear(): void {
    this.#alarm.clear();
  }
}
