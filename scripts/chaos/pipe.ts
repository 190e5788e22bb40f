import type { Socket } from 'node:net';

/** What a link does to the bytes on it. */
export interface Link {
  latencyMs: number;
  /** Undefined: as fast as they come. */
  bytesPerSecond: number | undefined;
}

/** Bytes that a slow link holds before it takes no more. */
const HELD = 16 * 1024;

/** One direction of a connection: bytes come through in their order, as late and as slowly as the link is. */
export class Pipe {
  readonly #source: Socket;
  readonly #link: Link;
  readonly #deliver: (bytes: Buffer) => void;
  #queue: { bytes: Buffer; dueAt: number }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #lastAt = 0;

  constructor(source: Socket, link: Link, deliver: (bytes: Buffer) => void) {
    this.#source = source;
    this.#link = link;
    this.#deliver = deliver;
    source.on('data', (bytes) => this.#push(bytes));
    source.on('close', () => clearTimeout(this.#timer));
  }

  #push(bytes: Buffer): void {
    const { latencyMs, bytesPerSecond } = this.#link;
    const now = performance.now();
    const takesMs = bytesPerSecond === undefined ? 0 : (bytes.length * 1000) / bytesPerSecond;
    this.#lastAt = Math.max(this.#lastAt, now + latencyMs) + takesMs;
    if (this.#queue.length === 0 && this.#lastAt <= now) {
      this.#deliver(bytes);
      return;
    }
    this.#queue.push({ bytes, dueAt: this.#lastAt });
    if (takesMs > 0 && this.#held > HELD) this.#source.pause();
    this.#timer ??= setTimeout(() => this.#flush(), this.#lastAt - now);
  }

  #flush(): void {
    const now = performance.now();
    while (this.#queue[0] && this.#queue[0].dueAt <= now) this.#deliver(this.#queue.shift()!.bytes);
    const next = this.#queue[0];
    this.#timer = next && setTimeout(() => this.#flush(), next.dueAt - now);
    if (this.#held <= HELD) this.#source.resume();
  }

  get #held(): number {
    return this.#queue.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }
}
