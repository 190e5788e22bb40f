import type { IncomingMessage } from 'node:http';

/** So many bytes are kept that nobody has taken; then the engine waits. */
const MOST_KEPT = 1_048_576;
const EMPTY = Buffer.alloc(0);

/** A response of an engine as it comes: what arrived since the last look is joined. */
export class EngineResponse {
  readonly #response: IncomingMessage;
  readonly #left: () => void;
  #parts: Buffer[] = [];
  #bytes = 0;
  #isOver = false;
  #error: Error | undefined;
  #wake: () => void = () => undefined;

  /** @param left called once, when it is over */
  constructor(response: IncomingMessage, left: () => void) {
    this.#response = response;
    this.#left = left;
    response.on('data', (part: Buffer) => {
      this.#parts.push(part);
      this.#bytes += part.length;
      if (this.#bytes > MOST_KEPT) response.pause();
      this.#wake();
    });
    response.on('end', () =>
      this.#end(response.complete ? undefined : new Error('the response was cut off')),
    );
    response.on('error', (error) => this.#end(error));
    response.on('close', () => this.#end(new Error('the connection was closed')));
  }

  get status(): number {
    return this.#response.statusCode ?? 0;
  }

  get contentType(): string | undefined {
    return this.#response.headers['content-type'];
  }

  /** Of the header of that name if it is in seconds, in ms. */
  get retryAfterMs(): number | undefined {
    const seconds = Number(this.#response.headers['retry-after'] ?? NaN);
    return seconds >= 0 && seconds < Infinity ? seconds * 1_000 : undefined;
  }

  /** Bytes that came and were not taken. */
  get size(): number {
    return this.#bytes;
  }

  /** Nothing will come any more; what came may still be taken. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** It broke off; undefined: it has not, as yet. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** The next bytes, at most so many; none: nothing came. */
  take(most: number): Buffer {
    if (this.#bytes === 0) return EMPTY;
    const all = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
    const taken = all.length <= most ? all : all.subarray(0, most);
    this.#parts = all.length <= most ? [] : [all.subarray(most)];
    this.#bytes -= taken.length;
    if (this.#bytes <= MOST_KEPT && this.#response.isPaused()) this.#response.resume();
    return taken;
  }

  /** Resolves when there is something to take, or it is over; at once if so. */
  async changed(): Promise<void> {
    if (this.#bytes > 0 || this.#isOver) return;
    await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  /** Closes the connection unless it is over, which makes the engine stop. */
  destroy(): void {
    if (!this.#isOver) this.#response.destroy();
  }

  #end(error: Error | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#error = error;
    this.#left();
    this.#wake();
  }
}
