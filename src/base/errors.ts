import { makeBare, withoutArguments } from './bare.ts';

export { messageOf } from '../observe/message.ts';

/** Stable codes of {@link SchedulerError}. */
export type ErrorCode =
  | 'CONFIG' // an option, name, budget or id is wrong
  | 'DUPLICATE' // this node has accepted a request of this id, which has not ended
  | 'FULL' // maxWaiting requests of this node wait; `retryAfterMs` says when to try again
  | 'EXPIRED' // the deadline had passed when the request was put
  | 'ENCODE' // the codec could not encode the request or result
  | 'TOO_LARGE' // over maxBodyBytes, or more prompt tokens than any living engine can ever hold: `tokens`, `largest`
  | 'BAD_ID' // the id is not a well-formed string of 1 to 512 bytes
  | 'CANCELLED' // the request was cancelled or reset
  | 'FAILED' // the request ended as failed; the message has the reason
  | 'TIMEOUT' // Redis did not answer within commandTimeout; the call may still take effect
  | 'EVICTED' // another instance took this node's name
  | 'CLOSED' // the scheduler is closed
  | 'REDIS' // Redis answered with an error, or cannot be reached
  | 'SCRIPT'; // a Lua script is missing or is not the one this client declares

type Figures = Partial<Pick<SchedulerError, 'retryAfterMs' | 'tokens' | 'largest'>>;

/**
 * Every error that sched-lua throws or hands out. Switch on `code`, never on the message. Neither it nor its cause holds what
 * was sent to Redis (see bare.ts).
 */
export class SchedulerError extends Error {
  readonly code: ErrorCode;
  /** The call that failed, e.g. `putRequests`. */
  readonly operation: string;
  /** FULL only: ms after which a new attempt makes sense. */
  declare readonly retryAfterMs?: number;
  /** TOO_LARGE, of a prompt: its tokens, and those of the largest that a living engine can ever hold. */
  declare readonly tokens?: number;
  declare readonly largest?: number;

  constructor(
    code: ErrorCode,
    operation: string,
    message: string,
    { cause, ...figures }: { cause?: unknown } & Figures = {},
  ) {
    super(withoutArguments(message), cause === undefined ? undefined : { cause });
    makeBare(cause);
    this.name = new.target.name;
    this.code = code;
    this.operation = operation;
    Object.assign(this, figures);
  }
}

/** A bad option, topic, node name or budget; thrown before anything is sent. */
export class ConfigError extends SchedulerError {
  readonly option: string;
  /** What was given; undefined where that may be a prompt or a password. */
  readonly value: unknown;

  /**
   * @param allowed what is allowed, e.g. "an integer of at least 1"
   * @param message for people, if it is another than of these three
   */
  constructor(option: string, value: unknown, allowed: string, message?: string) {
    super('CONFIG', 'configure', message ?? `${option} is ${show(value)}; allowed is ${allowed}`);
    this.option = option;
    this.value = value;
  }
}

/** `instanceof` for what a user's code threw: a revoked proxy cannot be asked even that. */
export function isA<T>(thrown: unknown, kind: abstract new (...args: never[]) => T): thrown is T {
  try {
    return thrown instanceof kind;
  } catch {
    return false;
  }
}

/** A value that a user gave, for a message; whatever it is. */
export function show(value: unknown): string {
  if (typeof value === 'string')
    return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}...` : value);
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'object' && value !== null) return isArray(value) ? 'an array' : 'an object';
  return String(value);
}

/** Also of a proxy that is revoked, which throws when it is asked. */
function isArray(value: object): boolean {
  try {
    return Array.isArray(value);
  } catch {
    return false;
  }
}
