/**
 * From the results of a request's runs to its client. A response that is no stream is held until it is complete, or
 * large: so a run that breaks off in the middle can begin anew. A stream that may be continued is passed on in whole
 * events, any other one byte by byte.
 */
import type { ResponseHead, Resume } from '../openai/wire.ts';
import type { ApiError } from './api-error.ts';
import type { Order } from './door.ts';
import type { Reply } from './reply.ts';
import { DONE, StreamLog, type Usage } from './stream-log.ts';

/** Bytes of a response that are held. */
const HELD = 1_048_576;

/** For metrics, and for the estimates of prompts. */
export interface Told {
  usage: Usage | undefined;
  /** Of the gateway's own error. */
  error: ApiError | undefined;
}

export class Relay {
  readonly #order: Order;
  readonly #reply: Reply;
  readonly #headers: () => Readonly<Record<string, string>>;
  /** Undefined: the stream cannot be continued. */
  #log: StreamLog | undefined;
  #head: ResponseHead | undefined;
  #parts: Buffer[] = [];
  #bytes = 0;
  #usage: Usage | undefined;
  #error: ApiError | undefined;
  #isResuming = false;

  /** @param headers of the answer, asked for when it begins */
  constructor(order: Order, reply: Reply, headers: () => Readonly<Record<string, string>>) {
    this.#order = order;
    this.#reply = reply;
    this.#headers = headers;
  }

  get told(): Told {
    return { usage: this.#log?.usage ?? this.#usage, error: this.#error };
  }

  get hasHead(): boolean {
    return this.#head !== undefined;
  }

  /** The client has got something of the body: no run may begin anew. */
  get mustMove(): boolean {
    return this.#reply.hasEmitted;
  }

  /** What the next run is to continue; undefined: it begins anew. */
  get resume(): Resume | undefined {
    const resume = this.#isResuming ? this.#log?.resume : undefined;
    return resume?.text ? resume : undefined;
  }

  /** A run begins: what is held of the one before is void. */
  newRun(): void {
    this.#head = undefined;
    this.#parts = [];
    this.#bytes = 0;
    if (!this.#reply.hasEmitted) this.#log = undefined;
  }

  /** @returns false: a stream was to be continued, and was refused */
  head(head: ResponseHead): boolean {
    const { status, contentType, resumable, resumedTokens } = head;
    const isStream = status === 200 && /^text\/event-stream/i.test(contentType ?? '');
    if (this.#reply.hasEmitted) {
      if (!isStream || !this.#log) return false;
      this.#log.continue(this.resume ? resumedTokens : 0);
    } else if (isStream && this.#order.isResumable && resumable) {
      this.#log = new StreamLog(this.#order.route, this.#order.wantsUsage);
    }
    this.#head = head;
    // one that is no stream is told at its end
    if (isStream) this.#begin({ 'cache-control': 'no-cache', 'x-accel-buffering': 'no' });
    return true;
  }

  body(bytes: Buffer): void {
    if (bytes.length === 0) return;
    const passed = this.#log ? this.#log.pass(bytes) : bytes;
    this.#parts.push(passed);
    this.#bytes += passed.length;
  }

  /** Sends what came together as one. */
  flush(): void {
    if (this.#bytes === 0) return;
    if (!this.#isBegun) {
      if (this.#bytes <= HELD || this.#reply.hasStatus) return;
      this.#begin({});
    }
    this.#reply.write(this.#take());
  }

  /** The run is complete. */
  end(): void {
    const rest = this.#log?.end();
    if (rest) this.#parts.push(rest);
    const bytes = this.#take();
    if (!this.#isBegun) {
      if (this.#reply.hasStatus) {
        this.#asEvent(bytes);
        return;
      }
      this.#usage = usageIn(bytes, this.#head?.contentType);
      this.#begin({ 'content-length': String(bytes.length) });
    }
    this.#reply.end(bytes);
  }

  /**
   * The run broke off, and what it gave was flushed.
   * @returns `move`: another run is to go on; `over`: the client has all; `lost`: neither
   */
  broken(): 'move' | 'over' | 'lost' {
    const log = this.#log;
    if (!this.#reply.hasEmitted) return 'move';
    if (!log) return 'lost';
    if (log.isDone || log.isComplete) {
      this.#reply.end(log.isDone ? undefined : Buffer.from(DONE));
      return 'over';
    }
    this.#isResuming = true;
    return log.canResume ? 'move' : 'lost';
  }

  failed(error: ApiError): void {
    this.#error = error;
  }

  get #isBegun(): boolean {
    return this.#reply.hasEmitted || (this.#reply.hasStatus && this.#isEvents);
  }

  get #isEvents(): boolean {
    return /^text\/event-stream/i.test(this.#head?.contentType ?? '');
  }

  #begin(headers: Readonly<Record<string, string>>): void {
    const { status, contentType } = this.#head!;
    this.#reply.begin(status, contentType, { ...this.#headers(), ...headers });
  }

  #take(): Buffer {
    const bytes = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#bytes = 0;
    return bytes;
  }

  /** The client has the status of a stream, and its engine refused the request: what the engine said becomes an event. */
  #asEvent(bytes: Buffer): void {
    const text = bytes.toString().replace(/\r?\n/g, ' ').trim();
    const isError = /^\{\s*"error"/.test(text);
    const data = isError
      ? text
      : JSON.stringify({ error: { message: text.slice(0, 1_024), type: 'engine', code: null } });
    this.#reply.end(Buffer.from(`data: ${data}\n\n`));
  }
}

function usageIn(bytes: Buffer, contentType: string | undefined): Usage | undefined {
  if (!contentType?.includes('json') || bytes.length > HELD || !bytes.includes('"usage"')) return undefined;
  try {
    const { usage } = JSON.parse(bytes.toString()) as { usage?: Usage | null };
    return usage ?? undefined;
  } catch {
    return undefined;
  }
}
