import { expect } from 'chai';
import { thefts } from '../../../scripts/demo/figures.ts';
import { check, textOf, type Verdict } from '../../../scripts/lib/checker/checker.ts';
import type { Leftovers } from '../../../scripts/lib/checker/evidence.ts';
import { Lives } from '../../../scripts/lib/checker/lives.ts';
import type { Entry, Happening, ProcessHistory } from '../../../scripts/lib/harness/happenings.ts';

/** ms. */
export const KILLED_AT = 100_000;
const LEASE_MS = 2_500;

/** The processes of every fleet on paper; the successor takes the name of the killed `a`. */
export const [a, b, c, successor] = ['a', 'b', 'c', 'successor'] as const;
type Who = typeof a | typeof b | typeof c | typeof successor;

/**
 * A fleet of the demo on paper: what its processes saw, in ms, and what Redis holds in the end. Nothing but the kill of
 * `a` disturbs it. Attempt `n` of the request `x` is the claim of the fence {@link fence}(n).
 */
export class Paper {
  readonly lives = new Lives();
  readonly #processes: Record<Who, ProcessHistory & { readonly entries: Entry[] }> = {
    a: { label: 'p0', entries: [], diedAt: KILLED_AT },
    b: { label: 'p1', entries: [], diedAt: undefined },
    c: { label: 'p2', entries: [], diedAt: undefined },
    successor: { label: 'p3', entries: [], diedAt: undefined },
  };
  readonly records = new Set<string>();
  readonly mails = new Set<string>();
  /** Results that were sent, as `fence.number`. */
  readonly #sent = new Set<string>();

  constructor() {
    for (const who of [a, b, c]) this.saw(who, 1, { what: 'started', node: who, takeover: false });
    this.saw(successor, KILLED_AT + 5_000, { what: 'started', node: a, takeover: true });
  }

  saw(by: Who, at: number, ...happenings: Happening[]): this {
    const entries = happenings.map((happening) => ({ at, ...happening }));
    const process = this.#processes[by];
    process.entries.push(...entries);
    process.entries.sort((one, other) => one.at - other.at);
    this.lives.add(process, entries);
    return this;
  }

  /** A client sends `x`, which asks for 40 tokens. */
  put(to: Who, at = 999): this {
    return this.saw(to, at, { what: 'put', id: 'x', priority: 0, outputTokens: 40 });
  }

  /** A client sends `x`, and its put is answered. */
  accepted(by: Who, at = 1_000): this {
    return this.put(by).saw(by, at, { what: 'accepted', id: 'x' });
  }

  claimed(by: Who, owner: Who, at: number, attempt = 1, claim = fence(attempt)): this {
    const ticket = ticketOf(owner);
    return this.saw(
      by,
      at,
      { what: 'granted', id: 'x', ticket, fence: claim, shard: 0, triesSpent: attempt - 1 },
      { what: 'claimed', id: 'x', owner: owner, fence: claim, attempt },
    );
  }

  /** The engine is done, and the final is sent. */
  done(by: Who, at: number, attempt = 1, number = 4): this {
    return this.sent(by, at, number, attempt, true);
  }

  sent(by: Who, at: number, number: number, attempt = 1, final = false): this {
    this.#sent.add(`${fence(attempt)}.${number}`);
    return this.saw(by, at, { what: 'sent', id: 'x', fence: fence(attempt), number, final });
  }

  /** Chunks of one attempt, 1 ms apart. */
  chunks(by: Who, at: number, numbers: readonly number[], attempt = 1): this {
    numbers.forEach((number, i) => this.#told(by, at + i, 'chunk', number, attempt, 10 * number));
    return this;
  }

  restarted(by: Who, at: number): this {
    return this.saw(by, at, { what: 'told', id: 'x', kind: 'restart' });
  }

  /** The last result, with all 40 tokens. */
  finished(by: Who, at: number, number = 4, attempt = 1, tokens = 40, id = 'x'): this {
    return this.#told(by, at, 'finished', number, attempt, tokens, id);
  }

  /** `b` accepts, `c` steals and runs, `b`'s client hears four results. */
  usual(): this {
    this.accepted(b).claimed(c, b, 1_030).chunks(b, 1_100, [1, 2, 3]);
    return this.done(c, 1_200).finished(b, 1_201);
  }

  check(complaints: string[] = []): Verdict {
    const left: Leftovers = { records: this.records, mails: this.mails, complaints };
    return check({ lives: this.lives, losses: [], leaseMs: LEASE_MS, outageMs: 0, left });
  }

  /** Nothing is broken. */
  kept(): Verdict['figures'] & { stolen: number } {
    const { figures, violations } = this.check();
    expect(violations.map(textOf)).to.deep.equal([]);
    expect(figures.accepted).to.equal(figures.finished + figures.endedWithOwner);
    return { ...figures, stolen: this.lives.all.filter((life) => thefts(life).size > 0).length };
  }

  /** Exactly this is broken. */
  broken(...what: RegExp[]): Verdict['figures'] {
    const { figures, violations } = this.check();
    const broken = violations.map(textOf);
    expect(broken, broken.join('\n')).to.have.lengthOf(what.length);
    what.forEach((pattern, i) => expect(broken[i]).to.match(pattern));
    return figures;
  }

  /** Its source is written just before, unless it was. */
  #told(
    by: Who,
    at: number,
    kind: 'chunk' | 'finished',
    number: number,
    attempt: number,
    tokens: number,
    id = 'x',
  ): this {
    if (!this.#sent.has(`${fence(attempt)}.${number}`))
      this.sent(by, at - 0.1, number, attempt, kind === 'finished');
    const output = { id, fence: fence(attempt), number, tokens };
    return this.saw(by, at, { what: 'told', id: 'x', kind, output });
  }
}

/** Of an attempt: µs, so that the attempts are ten seconds apart. */
export function fence(attempt: number): string {
  return (attempt * 10_000_000).toString(16).padStart(14, '0');
}

function ticketOf(owner: string): string {
  return `${owner}|00000000000001|00000001|00000000ffff|x`;
}
