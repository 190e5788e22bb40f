/**
 * What happens in a scheduler, told to those who want to know: metrics, logs, the chaos run. Nothing is computed for an
 * event that nobody listens to. `docs/events.md` has a row for each event.
 *
 * This is the lowest room of `src/`: it imports nothing of another room, so that every other one can tell what it does.
 */
import { EventEmitter } from 'node:events';
import { messageOf } from './message.ts';
import { Recent } from './recent.ts';
import { Tally } from './tally.ts';

/** Every event says which scheduler tells it: one emitter may be given to several. */
export interface Origin {
  topic: string;
  /** The scheduler's node. Empty until it has a name. */
  node: string;
}

/** One request, named by its ticket: an id may come again once its request has ended. */
interface OfRequest {
  id: string;
  ticket: string;
  /** Load shard in which it lives. */
  shard: number;
}

/** One claim of a request: `fence` is the shard's tick at which it was granted, so a later claim has a higher one. */
interface OfClaim extends OfRequest {
  fence: string;
  /** The node that accepted the request. */
  owner: string;
}

export type ResultWord = 'chunk' | 'finished' | 'failed' | 'cancelled' | 'expired';

/** What each event tells, beside its {@link Origin}. Times are ms, sizes bytes. */
export interface EventMap {
  /** A put was answered with a ticket. `stands`: an earlier request of this id had not ended, and the ticket is its. */
  placed: OfRequest & { stands: boolean };
  /** A request of this node is in Redis, once. */
  accepted: OfRequest & { promptTokens: number; replicated: boolean | undefined };
  /** A put was refused, with the code of its SchedulerError. */
  refused: { id: string; code: string };
  /** Redis lost this request; the process that accepted it puts it again. `ticket` is the lost one. */
  putAgain: OfRequest;
  /** Redis granted a claim to this node, whether or not the budget then has room for it. */
  claimed: OfClaim & { triesSpent: number; queuedMs: number };
  /** The same, for a request that another node accepted. */
  stolen: OfClaim & { reason: StealReason; queuedMs: number };
  /** This node gives a claim back from now on: the request returns to its place in line. */
  givenBack: OfClaim;
  /** This node no longer holds a claim that it had not ended: its lease ran out, or the request was cancelled. */
  lost: OfClaim;
  /** The reader of a request is behind, and the owner has asked to wait with its next chunk; or it goes on. */
  halted: OfClaim & { isHalted: boolean };
  /** The owner of a claim is silent. With `onOwnerLoss: 'abort'` the claim is `lost`, too. Told once of each claim. */
  ownerSilent: OfClaim;
  /** A result of a claim was answered by Redis. `answer`: what became of it. */
  resultSent: OfClaim & { number: number; kind: ResultWord; bytes: number; answer: string };
  /** A result came out of this node's mailbox. A later take may bring it again; it is delivered once. */
  resultTaken: OfRequest & { fence: string; number: number; kind: ResultWord | 'lost'; bytes: number };
  /** `getResults` has something for this id. */
  news: { id: string };
  /**
   * A request of this node has ended. `afterMs`: since it was put here; missing for a predecessor's. `ranOn`: the node that
   * held it at its end; missing: it waited, or it was ended here. `attempt`, `queuedMs`, `ranMs`: as in a final result.
   */
  ended: OfRequest & {
    kind: Exclude<ResultWord, 'chunk'>;
    reason: string | undefined;
    afterMs: number | undefined;
    ranOn: string | undefined;
    attempt: number | undefined;
    queuedMs: number | undefined;
    ranMs: number | undefined;
  };
  /** A wake-up came. `delayMs`: the work can be taken so much later. */
  ring: { what: 'claim' | 'results' | 'refresh' | 'halt'; shard: number; delayMs: number };
  /** Redis ran a script for this node. `ms`: from when it was sent, by the connection that it was answered on. */
  answered: { shard: number; script: string; ms: number };
  /**
   * Redis took over a second to answer a script of this shard (`isAnswered`), or has not answered it for 5 s, or did not run it
   * and said why. It is sent again.
   */
  slowShard: { shard: number; script: string; ms: number; reason: string | undefined; isAnswered: boolean };
  /** A connection is usable, for the first time or again. */
  connectionUp: { connection: ConnectionName };
  /** A usable connection broke. `reason`: the last error, if there was one. */
  connectionDown: { connection: ConnectionName; reason: string | undefined };
  /**
   * The engine of `run` failed so many times in a row (`Retry`, `isEngineFailure`): nothing is claimed for `pauseMs`, then one
   * request to try it. Again after each such trial that fails.
   */
  engineDown: { failures: number; pauseMs: number; reason: string };
  /** A trial worked after so many failures in a row: this node claims again what its engine has room for. */
  engineUp: { failures: number };
  /** `close` waits for the handlers of these requests, at most so long. */
  draining: { ids: readonly string[]; drainMs: number };
  /** The scheduler is over, whoever ended it: it was closed, or another instance took its name. */
  over: { code: 'CLOSED' | 'EVICTED'; reason: string };
  /** What an operator should know, as `onWarning` is told it. */
  warning: { message: string };
}

/**
 * Why a request was taken from another node. `lost`: an earlier runner was lost with it, or gave it up. `waited`: it had waited for
 * `stealAfterMs`. `free`: neither; its owner is a front, is overloaded, or leaves its requests to others.
 */
export type StealReason = 'lost' | 'waited' | 'free';

/**
 * `commands` carries the scripts, `wake-ups` the subscription, `replicated puts` those that wait for replicas, `side` large
 * calls and those whose connection broke before.
 */
export type ConnectionName = 'commands' | 'wake-ups' | 'replicated puts' | 'side';

export type EventName = keyof EventMap;

/** Every {@link EventName}, for those who listen to all. */
export const EVENT_NAMES = [
  'placed',
  'accepted',
  'refused',
  'putAgain',
  'claimed',
  'stolen',
  'givenBack',
  'lost',
  'ownerSilent',
  'halted',
  'resultSent',
  'resultTaken',
  'news',
  'ended',
  'ring',
  'answered',
  'slowShard',
  'connectionUp',
  'connectionDown',
  'engineDown',
  'engineUp',
  'draining',
  'over',
  'warning',
] as const satisfies readonly EventName[];

/** What a listener of this event is called with. */
export type EventOf<Name extends EventName> = Readonly<EventMap[Name] & Origin>;

/**
 * The emitter of one or several schedulers: `on`, `once` and `off` of Node's EventEmitter, with types. Listeners are called
 * at once, in the middle of the scheduler's work: a slow one holds it up. One that throws is warned of, and harms nothing.
 */
export class SchedulerEvents extends EventEmitter<{ [Name in EventName]: [event: EventOf<Name>] }> {}

/** Tells the events of one scheduler. */
export class Teller {
  /** Beside telling what happens, those that tell it count it. */
  readonly tally = new Tally();
  readonly recent = new Recent();
  readonly #events: SchedulerEvents;
  readonly #own: SchedulerEvents | undefined;
  readonly #origin: () => Origin;
  readonly #warn: (message: string) => void;

  /**
   * @param warn told of a listener that threw, and of nothing else
   * @param own hears this scheduler alone, whoever else tells `events`
   */
  constructor(
    events: SchedulerEvents,
    origin: () => Origin,
    warn: (message: string) => void,
    own?: SchedulerEvents,
  ) {
    this.#events = events;
    this.#own = own;
    this.#origin = origin;
    this.#warn = warn;
  }

  /** Empty until it has a name. */
  get node(): string {
    return this.#origin().node;
  }

  /**
   * Tells an event, or is undefined if nobody listens: `heard('claimed')?.({ … })` computes nothing then.
   * Never throws.
   */
  heard<Name extends EventName>(name: Name): ((event: EventMap[Name]) => void) | undefined {
    const isHeard = this.#events.listenerCount(name) > 0;
    const own = this.#own && this.#own.listenerCount(name) > 0 ? this.#own : undefined;
    if (!isHeard && !own) return undefined;
    return (event) => {
      const told = { ...this.#origin(), ...event };
      if (own) this.#tell(own, name, told);
      this.#tell(this.#events, name, told);
    };
  }

  #tell<Name extends EventName>(events: SchedulerEvents, name: Name, event: EventOf<Name>): void {
    const failed = (error: unknown): void => {
      this.#warn(`a listener of the event "${name}" threw: ${messageOf(error)}`);
    };
    for (const listener of events.rawListeners(name)) {
      try {
        // a listener may be async, and its promise another library's
        const answer = Reflect.apply(listener, events, [event]) as PromiseLike<unknown> | undefined;
        if (typeof answer?.then === 'function') answer.then(undefined, failed);
      } catch (error) {
        failed(error);
      }
    }
  }
}

/**
 * The user's `onWarning`, which may throw, at once or later: it is told in the middle of the scheduler's work, and nothing of
 * that may end with it. What it was told is not lost: the process warns of it.
 */
export function harmless(onWarning: (message: string) => unknown): (message: string) => void {
  return (message) => {
    const failed = (error: unknown): void =>
      process.emitWarning(`${message} (onWarning threw: ${messageOf(error)})`, 'SchedLua');
    try {
      const answer = onWarning(message) as PromiseLike<unknown> | undefined;
      if (typeof answer?.then === 'function') answer.then(undefined, failed);
    } catch (error) {
      failed(error);
    }
  };
}

/** For parts that are made without a scheduler, in tests and tools: it tells nobody. */
export function silentTeller(): Teller {
  return new Teller(
    new SchedulerEvents(),
    () => ({ topic: '', node: '' }),
    () => undefined,
  );
}
