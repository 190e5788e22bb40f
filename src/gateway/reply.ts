/**
 * The answer to one client. Its status is held back until the engine has said its own: a client that was told nothing yet
 * can still be told an honest error. A stream that is silent gets a comment now and then, `:` and one newline, between
 * two lines.
 */
import type { ServerResponse } from 'node:http';
import { after, monotonic } from '../base/clock.ts';
import type { ApiError } from './api-error.ts';

/** Bytes that a client may be behind with; one that is further behind is cut off. */
export const MAX_UNSENT = 4 * 1_048_576;

const COMMENT = ':\n';
const LF = 0x0a;
const EVENTS = 'text/event-stream; charset=utf-8';

export interface ReplyOptions {
  /** The client asked for events. */
  stream: boolean;
  isMessages: boolean;
  keepaliveMs: number;
  /** Of every answer. */
  headers: Readonly<Record<string, string>>;
}

export class Reply {
  readonly #response: ServerResponse;
  readonly #options: ReplyOptions;
  readonly #gone = new AbortController();
  /** Why the client was told nothing, or not all. */
  #isOver = false;
  #code = 499;
  #emitted = false;
  #lastByte = LF;
  #isBetweenEvents = true;
  #lastAt = monotonic();
  #firstAt: number | undefined;
  #stop: () => void = () => undefined;

  constructor(response: ServerResponse, options: ReplyOptions) {
    this.#response = response;
    this.#options = options;
    response.on('close', this.#closed).on('error', this.#closed);
    if (options.stream) this.#watch();
  }

  /** Fires when nobody wants the rest: the client went away, is too slow, or was told of a failure. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** The answer is complete, or the client is gone: nothing can be said any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** The client was given bytes of a body, beside comments. */
  get hasEmitted(): boolean {
    return this.#emitted;
  }

  get hasStatus(): boolean {
    return this.#response.headersSent;
  }

  /** For metrics: the status that was sent, of an error in a stream the error's, 499 if the client went away. */
  get code(): number {
    return this.#code;
  }

  /** When the first byte of the body left, on the monotonic clock. */
  get firstAt(): number | undefined {
    return this.#firstAt;
  }

  /** Another reply goes on with the same response. */
  release(): void {
    this.#response.off('close', this.#closed).off('error', this.#closed);
  }

  /** Sends the status, unless a comment did already. */
  begin(status: number, contentType: string | undefined, headers: Readonly<Record<string, string>>): void {
    if (this.#isOver || this.#response.headersSent) return;
    this.#code = status;
    this.#response.writeHead(status, {
      ...this.#options.headers,
      ...(contentType === undefined ? {} : { 'content-type': contentType }),
      ...headers,
    });
    if (this.#options.stream) this.#response.flushHeaders();
  }

  /** Sends bytes of the body. */
  write(bytes: Buffer): void {
    if (this.#isOver || bytes.length === 0) return;
    this.#emitted = true;
    this.#firstAt ??= monotonic();
    this.#send(bytes);
  }

  /** The body is complete. */
  end(bytes?: Buffer): void {
    if (this.#isOver) return;
    if (bytes && bytes.length > 0) this.write(bytes);
    this.#finish();
    this.#response.end();
  }

  /** Tells the client in the way that is left: a status, an event, or a broken connection. Never a clean end. */
  fail(error: ApiError, headers: Readonly<Record<string, string>> = {}): void {
    if (this.#isOver) return;
    this.#finish();
    this.#code = error.status;
    this.#tell(error, headers);
    this.#gone.abort();
  }

  #tell(error: ApiError, headers: Readonly<Record<string, string>>): void {
    const { body, status } = error;
    if (!this.#response.headersSent) {
      const said = { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) };
      this.#response.writeHead(status, { ...this.#options.headers, ...headers, ...error.headers, ...said });
      this.#response.end(body);
    } else if (this.#options.stream) {
      // half an event is ended first, and before that half a line
      const before = this.#isBetweenEvents ? '' : this.#lastByte === LF ? '\n' : '\n\n';
      this.#response.end(before + error.event(this.#options.isMessages));
    } else this.#response.destroy();
  }

  #send(bytes: Buffer | string): void {
    this.#lastAt = monotonic();
    this.#response.write(bytes);
    if (typeof bytes !== 'string') {
      this.#lastByte = bytes.at(-1)!;
      this.#isBetweenEvents = /\n\r?\n$/.test(bytes.toString('latin1', Math.max(0, bytes.length - 3)));
    }
    if (this.#response.writableLength <= MAX_UNSENT) return;
    // it would keep ever more of a stream in memory
    this.#response.destroy();
    this.#closed();
  }

  #watch(): void {
    const { keepaliveMs } = this.#options;
    const silentFor = monotonic() - this.#lastAt;
    this.#stop = after(Math.max(1, keepaliveMs - silentFor), () => {
      if (this.#isOver) return;
      const isSilent = monotonic() - this.#lastAt >= keepaliveMs - 1;
      if (isSilent && this.#lastByte === LF) {
        this.begin(200, EVENTS, { 'cache-control': 'no-cache', 'x-accel-buffering': 'no' });
        this.#send(COMMENT);
      } else if (isSilent) this.#lastAt = monotonic();
      this.#watch();
    });
  }

  #finish(): void {
    this.#isOver = true;
    this.#stop();
  }

  readonly #closed = (): void => {
    if (this.#isOver) return;
    this.#finish();
    this.#code = 499;
    this.#gone.abort();
  };
}
