import { expect } from 'chai';
import { audit, type Audit } from '../../../scripts/demo/audit.ts';
import type { Happening } from '../../../scripts/demo/history.ts';
import { Ledger, type Process } from '../../../scripts/demo/ledger.ts';

/** ms. */
export const KILLED_AT = 100_000;

/** A fleet on paper: what its processes saw, in ms, and what Redis holds in the end. */
export class Paper {
  readonly a: Process = { node: 'a', predecessor: undefined, killedAt: KILLED_AT };
  readonly successor: Process = { node: 'a', predecessor: this.a, killedAt: undefined };
  readonly b: Process = { node: 'b', predecessor: undefined, killedAt: undefined };
  readonly c: Process = { node: 'c', predecessor: undefined, killedAt: undefined };
  readonly ledger = new Ledger();
  readonly records = new Set<string>();
  readonly mails = new Set<string>();

  saw(by: Process, at: number, happening: Happening): this {
    this.ledger.add(by, [{ at, ...happening }]);
    return this;
  }

  /** A client sends `x`, which asks for 40 tokens, and its put is answered. */
  accepted(by: Process, at = 1_000): this {
    this.ledger.sent(by, 'x', 40);
    return this.saw(by, at, { what: 'accepted', id: 'x' });
  }

  claimed(by: Process, owner: Process, at: number, attempt = 1): this {
    return this.saw(by, at, { what: 'claimed', id: 'x', owner: owner.node, attempt });
  }

  done(by: Process, owner: Process, at: number, attempt = 1): this {
    return this.saw(by, at, { what: 'done', id: 'x', owner: owner.node, attempt });
  }

  /** Chunks of one attempt, 1 ms apart. */
  chunks(by: Process, at: number, numbers: readonly number[], attempt = 1): this {
    numbers.forEach((number, i) => {
      const output = { id: 'x', attempt, number, tokens: 10 * number };
      this.saw(by, at + i, { what: 'told', id: 'x', kind: 'chunk', output });
    });
    return this;
  }

  restarted(by: Process, at: number): this {
    return this.saw(by, at, { what: 'told', id: 'x', kind: 'restart' });
  }

  /** The last result, with all 40 tokens. */
  finished(by: Process, at: number, number = 4, attempt = 1): this {
    const output = { id: 'x', attempt, number, tokens: 40 };
    return this.saw(by, at, { what: 'told', id: 'x', kind: 'finished', output });
  }

  /** `b` accepts, `c` steals and runs, `b`'s client hears four results. */
  usual(): this {
    this.accepted(this.b).claimed(this.c, this.b, 1_030).chunks(this.b, 1_100, [1, 2, 3]);
    return this.done(this.c, this.b, 1_200).finished(this.b, 1_201);
  }

  audit(): Audit {
    return audit(this.ledger.lives, this);
  }

  /** Nothing is broken. */
  kept(): Audit {
    const report = this.audit();
    expect(report.broken).to.deep.equal([]);
    expect(report.accepted).to.equal(report.finished + report.endedWithOwner);
    return report;
  }

  /** Exactly this is broken. */
  broken(...what: RegExp[]): Audit {
    const report = this.audit();
    expect(report.broken, report.broken.join('\n')).to.have.lengthOf(what.length);
    what.forEach((pattern, i) => expect(report.broken[i]).to.match(pattern));
    return report;
  }
}
