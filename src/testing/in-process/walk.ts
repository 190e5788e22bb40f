/** A claim goes through lines: what it does with each request that it comes to (lua/README.md#what-does-not-fit). */
import type { Lines, Request } from './lines.ts';
import { pausedFor } from './pauses.ts';
import type { Bounds, Picked, Picking } from './picking.ts';

/** One owner's line as a claim goes through it. */
export interface Passage<R> {
  readonly owner: string;
  /** What has not been looked at; what was stepped over has gone to `stays`. */
  readonly ahead: R[];
  readonly stays: R[];
  readonly rank: number;
}

const LOOKS = 100;
const NEVER = 64;
const NOT_NOW = 16;

export class Walk<R extends Request> implements Picking<R> {
  readonly picks: Picked<R>[] = [];
  never = 0;
  notNow = 0;
  aside: R | undefined;
  freeIn = Infinity;
  least = Infinity;
  spent = false;
  removed = false;
  reached: number;
  /** Most that are taken. */
  limit: number;
  /** Nothing more may be taken. */
  isFull = false;
  protected readonly lines: Lines<R>;
  protected readonly bounds: Bounds;
  readonly #passages = new Map<string, Passage<R>>();
  #looks: number;
  #tokens = 0;
  #bytes = 0;
  #paused = 0;

  constructor(lines: Lines<R>, bounds: Bounds) {
    this.lines = lines;
    this.bounds = bounds;
    this.limit = bounds.limit;
    this.#looks = bounds.limit + LOOKS;
    this.reached = Math.max(0, bounds.askOn - 1);
  }

  get through(): Set<string> {
    const through = [...this.#passages.values()].filter(
      ({ ahead, stays }) => stays.length > 0 && ahead.length === 0,
    );
    return new Set(through.map(({ owner }) => owner));
  }

  get opened(): number {
    return this.#passages.size;
  }

  protected hasEnough(): boolean {
    return this.picks.length > 0 || this.isFull;
  }

  protected passageOf(owner: string, rank = 0): Passage<R> {
    const line = this.lines.line(owner);
    const ahead = this.picks.length === 0 ? [...line] : line.filter((one) => !this.isTaken(one));
    return { owner, ahead, stays: [], rank };
  }

  protected open(passage: Passage<R>): Passage<R> {
    this.#passages.set(passage.owner, passage);
    return passage;
  }

  /** The passage of this owner: one is opened once in a claim. */
  protected opening(owner: string): Passage<R> {
    return this.#passages.get(owner) ?? this.open(this.passageOf(owner));
  }

  protected isTaken(request: R): boolean {
    return this.picks.some((one) => one.request === request);
  }

  protected lookThrough(passage: Passage<R>): void {
    while (!this.isFull && passage.ahead.length > 0) this.look(passage);
  }

  protected look(passage: Passage<R>): void {
    this.#looks -= 1;
    this.#judge(passage, passage.ahead[0]!);
    this.spent ||= this.#looks <= 0;
    this.isFull ||= this.spent;
  }

  #judge(passage: Passage<R>, request: R): void {
    const { alone, sum, total, bytes } = this.bounds;
    const { node } = this.lines;
    const kept = this.lines.standingKept();
    const isFirst = this.picks.length === 0;
    const end = this.lines.endsAs(request);
    if (end) {
      passage.ahead.shift();
      this.removed = true;
      this.lines.finish(request, ...end);
    } else if (request.tokens > total) {
      this.never += 1;
      this.#leaveInLine(passage, request.tokens);
    } else if (this.#isPaused(request)) {
      this.#leaveInLine(passage, Infinity);
    } else if (this.#tokens + request.tokens > (isFirst ? alone : sum)) {
      this.#passOver(passage, request);
    } else if (kept?.runner === node && request.order > kept.order) {
      this.isFull = true;
    } else if (this.#isBodied(request) && !isFirst && this.#bytes + request.body.length > bytes) {
      this.isFull = true;
    } else {
      passage.ahead.shift();
      if (kept?.ticket === request.ticket) this.lines.kept = undefined;
      this.accept(request);
    }
  }

  #isPaused(request: R): boolean {
    const { now, node } = this.lines;
    const ms = pausedFor(request, node, now, request.tokens <= this.bounds.elsewhere);
    if (ms === 0) return false;
    this.#paused += 1;
    this.aside ??= request;
    this.freeIn = Math.min(this.freeIn, ms);
    return true;
  }

  #leaveInLine(passage: Passage<R>, tokens: number): void {
    this.isFull = this.spent = this.never + this.#paused === NEVER;
    this.#stepOver(passage, tokens);
  }

  /** Not now: younger ones may pass it until its patience is over. */
  #passOver(passage: Passage<R>, request: R): void {
    const { alone, patience, keepFor } = this.bounds;
    const { now, node } = this.lines;
    const kept = this.lines.standingKept();
    if (request.arrival > now || now - request.arrival >= patience) {
      const isLarge = request.tokens > alone;
      if (isLarge && request.order < (kept?.order ?? Infinity) && keepFor > 0) {
        const { ticket, order } = request;
        this.lines.kept = { runner: node, until: now + keepFor, ticket, order };
        this.isFull = true;
        return;
      }
      if (!isLarge && request.ticket !== kept?.ticket) {
        this.isFull = true;
        return;
      }
    }
    this.notNow += 1;
    this.isFull = this.notNow === NOT_NOW;
    this.#stepOver(passage, request.tokens);
  }

  #stepOver(passage: Passage<R>, tokens: number): void {
    passage.stays.push(passage.ahead.shift()!);
    this.least = Math.min(this.least, tokens);
  }

  #isBodied({ owner, arrival }: R): boolean {
    return owner !== this.lines.node || arrival * 1000 < parseInt(this.bounds.since, 16);
  }

  protected accept(request: R): void {
    const bodied = this.#isBodied(request);
    this.picks.push({ request, bodied });
    this.#tokens += request.tokens;
    if (bodied) this.#bytes += request.body.length;
    this.isFull = this.picks.length === this.limit;
  }

  /** Also what was come to and not looked at. */
  end(): void {
    for (const { ahead } of this.#passages.values())
      if (ahead.length > 0 && this.isFull) this.least = Math.min(this.least, ahead[0]!.tokens);
  }
}
