/** The clients of the fleet: they send their requests when the plan says so, each to its node. */
import type { OwnedArrival } from '../lib/traffic/scale.ts';
import type { Lives } from '../lib/checker/lives.ts';
import { now } from '../lib/harness/history.ts';
import type { Arrival, DemoFleet, DemoMember } from './node.ts';

export class Clients {
  readonly #arrivals: readonly OwnedArrival[];
  readonly #fleet: DemoFleet;
  readonly #lives: Lives;
  readonly #startedAt = now();
  #next = 0;
  #turn = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(arrivals: readonly OwnedArrival[], fleet: DemoFleet, lives: Lives) {
    this.#arrivals = arrivals;
    this.#fleet = fleet;
    this.#lives = lives;
    this.#send();
  }

  /** Every request was sent. */
  get done(): boolean {
    return this.#next === this.#arrivals.length;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  /** Sends what is due, and comes again for the next. */
  #send(): void {
    const elapsed = now() - this.#startedAt;
    const due = new Map<DemoMember, Arrival[]>();
    for (; !this.done && this.#arrivals[this.#next]!.atMs <= elapsed; this.#next += 1) {
      const { owner, promptTokens, outputTokens } = this.#arrivals[this.#next]!;
      const to = this.#nodeFor(owner);
      if (!to) break;
      const id = `request-${this.#next}`;
      this.#lives.add(to, [{ at: now(), what: 'put', id, priority: 0, outputTokens }]);
      due.set(to, [...(due.get(to) ?? []), { id, promptTokens, outputTokens }]);
    }
    for (const [member, arrivals] of due) member.order({ order: 'put', arrivals });
    if (this.done) return;
    const wait = Math.max(1, this.#arrivals[this.#next]!.atMs - (now() - this.#startedAt));
    this.#timer = setTimeout(() => this.#send(), wait);
  }

  /** While a node is away, its clients turn to the others, as behind a load balancer. */
  #nodeFor(owner: number): DemoMember | undefined {
    const members = this.#fleet.current;
    if (members[owner]!.state === 'up') return members[owner];
    const up = members.filter(({ state }) => state === 'up');
    return up[this.#turn++ % up.length];
  }
}
