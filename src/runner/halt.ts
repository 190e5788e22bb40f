import { monotonic, sleep } from '../base/clock.ts';

/** The owner of a claim has asked to wait with the next chunk: for a time, or until it says that it goes on. */
export class Halt {
  #until = -Infinity;
  #changed: AbortController | undefined;

  get isOn(): boolean {
    return monotonic() < this.#until;
  }

  /** @param ms 0: it goes on */
  set(ms: number): void {
    this.#until = ms > 0 ? monotonic() + ms : -Infinity;
    this.#changed?.abort();
  }

  /** Resolves when it is over, or the signal fires. */
  async over(signal: AbortSignal): Promise<void> {
    while (this.isOn && !signal.aborted) {
      this.#changed = new AbortController();
      await sleep(this.#until - monotonic(), AbortSignal.any([this.#changed.signal, signal]));
    }
  }
}
