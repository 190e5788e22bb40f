/**
 * The log of one scheduler: its connections, slow shards, lost claims, its engine, its name, and what it warns of. Each is one line
 * with the ids that it is of. What comes again soon is counted, and told in one line later. Nothing else is logged.
 */
import { SchedulerEvents, harmless } from './events.ts';
import { messageOf } from './message.ts';

/** What most loggers of Node.js are, `console` too. Each function is called with one line of text. */
export interface Logger {
  debug(line: string): unknown;
  info(line: string): unknown;
  warn(line: string): unknown;
  error(line: string): unknown;
}

/** The scheduler that something is said of. */
export interface Origin {
  topic: string;
  node: string;
}

type Level = keyof Logger;

const QUIET_MS = 10_000;
/** Ids that a line names at most. */
const IDS = 5;

/** An id, or what a server says, may hold any character: a line stays one. */
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;

/** One kind of line, while it is quiet. */
interface Quiet {
  readonly level: Level;
  readonly what: string;
  count: number;
  ids: string[];
  timer: NodeJS.Timeout;
}

/**
 * The log of a scheduler that was given a logger.
 * @returns it, and what tells a warning to the logger and to `onWarning`; that never throws
 */
export function openLog(
  { logger, onWarning }: { logger?: Logger | undefined; onWarning: (message: string) => unknown },
  origin: () => Origin,
): { log: Log | undefined; tell: (message: string) => void } {
  const log = logger && new Log(logger, origin);
  const told = harmless(onWarning);
  const tell = (message: string): void => {
    log?.warning(message);
    told(message);
  };
  return { log, tell };
}

export class Log {
  /** What the scheduler is to tell its events. */
  readonly events = new SchedulerEvents();
  readonly #logger: Logger;
  readonly #origin: () => Origin;
  readonly #quietMs: number;
  readonly #quiet = new Map<string, Quiet>();
  readonly #broken = new Set<string>();
  #isOver = false;

  /**
   * @param origin of the scheduler: named at the beginning of each line
   * @param quietMs lines of one kind come no more often
   */
  constructor(logger: Logger, origin: () => Origin, quietMs = QUIET_MS) {
    this.#logger = logger;
    this.#quietMs = quietMs;
    this.#origin = origin;
    this.#listen();
  }

  /** What an operator should know. Warnings that differ in numbers alone are of one kind. */
  readonly warning = (message: string): void => {
    const kind = message.replace(/\d+/g, '#').slice(0, 200);
    this.#line({ level: 'warn', kind, what: message.split('\n')[0]! });
  };

  #listen(): void {
    const { events } = this;
    events.on('connectionDown', ({ connection, reason = 'it was closed' }) => {
      this.#broken.add(connection);
      this.#line({
        ...{ level: 'warn', kind: `down ${connection}` },
        what: `connection to Redis lost (${connection}): ${reason}`,
      });
    });
    events.on('connectionUp', ({ connection }) => {
      // that the first one is up is no news
      if (!this.#broken.delete(connection)) return;
      const what = `connection to Redis is back (${connection})`;
      this.#line({ level: 'info', kind: `up ${connection}`, what });
    });
    events.on('slowShard', ({ shard, script, ms, reason, isAnswered }) => {
      // a shard that does not answer for long is warned of
      const what = isAnswered
        ? `shard ${shard} is slow: Redis took ${(ms / 1_000).toFixed(1)} s for ${script}`
        : `shard ${shard}: Redis did not run ${script}: ${reason ?? 'no answer'}`;
      this.#line({ level: isAnswered ? 'warn' : 'debug', kind: `slow ${shard} ${isAnswered}`, what });
    });
    events.on('lost', ({ id, shard, owner }) => {
      const what = 'lost a claim: its lease ran out, or its request ended';
      this.#line({ level: 'warn', kind: 'lost', what, id: `${id} of ${owner} in shard ${shard}` });
    });
    events.on('engineDown', ({ failures, pauseMs, reason }) => {
      const what = `circuit still open after ${failures} failures, next try in ${pauseMs} ms: ${reason}`;
      // that it opens is warned of
      this.#line({ level: 'debug', kind: 'engineDown', what });
    });
    events.on('engineUp', ({ failures }) => {
      const what = `circuit closed: the engine works again after ${failures} failures in a row`;
      this.#line({ level: 'info', kind: 'engineUp', what });
    });
    events.on('over', ({ code, reason }) => {
      if (code === 'EVICTED') this.#line({ level: 'error', kind: 'over', what: `taken over: ${reason}` });
      this.#end();
    });
  }

  #line({ level, kind, what, id }: { level: Level; kind: string; what: string; id?: string }): void {
    const quiet = this.#quiet.get(kind);
    if (quiet === undefined) {
      this.#say(level, id === undefined ? what : `${what}: ${id}`);
      if (!this.#isOver) this.#hush(level, kind, what);
      return;
    }
    quiet.count += 1;
    if (id !== undefined && quiet.ids.length < IDS) quiet.ids.push(id);
  }

  /** Lines of this kind are counted for a while. */
  #hush(level: Level, kind: string, what: string): void {
    const timer = setTimeout(() => {
      const quiet = this.#quiet.get(kind);
      this.#quiet.delete(kind);
      if (quiet !== undefined && this.#sum(quiet)) this.#hush(level, kind, what);
    }, this.#quietMs).unref();
    this.#quiet.set(kind, { level, what, count: 0, ids: [], timer });
  }

  /** Says how often a line came again. False: it did not. */
  #sum({ level, what, count, ids }: Quiet): boolean {
    if (count === 0) return false;
    const more = count > ids.length ? `, and ${count - ids.length} more` : '';
    const of = ids.length === 0 ? '' : `: ${ids.join(', ')}${more}`;
    this.#say(level, `${count} more in ${this.#quietMs / 1_000} s: ${what}${of}`);
    return true;
  }

  #end(): void {
    this.#isOver = true;
    for (const quiet of this.#quiet.values()) {
      clearTimeout(quiet.timer);
      this.#sum(quiet);
    }
    this.#quiet.clear();
  }

  /** A logger that throws, at once or later, harms nothing: the process warns of its line. */
  #say(level: Level, what: string): void {
    const { topic, node } = this.#origin();
    const line = `sched-lua ${topic}/${node}: ${what}`.replace(CONTROL, ' ');
    const failed = (error: unknown): void =>
      process.emitWarning(`${line} (logger.${level} threw: ${messageOf(error)})`, 'SchedLua');
    try {
      const answer = this.#logger[level](line) as PromiseLike<unknown> | undefined;
      if (typeof answer?.then === 'function') answer.then(undefined, failed);
    } catch (error) {
      failed(error);
    }
  }
}
