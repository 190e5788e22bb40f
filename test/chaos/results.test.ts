// What the checker of the chaos run says of results: their order, their source, and their number.
import { expect } from 'chai';
import {
  OWNER,
  RUNNER,
  accepted,
  chunk,
  claimed,
  finished,
  kinds,
  restart,
  sent,
  type Story,
} from './evidence.ts';

describe('the checker of the chaos run on results', () => {
  describe('complains of results', () => {
    const run = (): Story =>
      accepted().saw(
        RUNNER,
        ...claimed('05'),
        sent('05', 1, false),
        sent('05', 2, false),
        sent('05', 3, true),
      );

    it('that end a request twice', () => {
      const story = run().saw(OWNER, chunk('05', 1), chunk('05', 2), finished('05', 3), finished('05', 3));
      const verdict = story.check();
      expect(verdict.figures.duplicated).to.equal(1);
      expect(kinds(verdict)).to.contain('duplicated');
    });

    it('that are told again, or left out, or out of order', () => {
      for (const numbers of [[1, 1, 2], [2, 1], [2]]) {
        const story = run().saw(OWNER, ...numbers.map((n) => chunk('05', n)), finished('05', 3));
        expect(kinds(story.check())).to.contain('stream');
      }
    });

    it('that come after the end', () => {
      const story = run().saw(OWNER, chunk('05', 1), chunk('05', 2), finished('05', 3), chunk('05', 2));
      expect(kinds(story.check())).to.contain('stream');
    });

    it('of two attempts without a marker between them', () => {
      const story = accepted()
        .saw(RUNNER, ...claimed('05'), sent('05', 1, false))
        .saw(OWNER, chunk('05', 1), ...claimed('07', '01', 'r1', 1), sent('07', 1, true))
        .saw(OWNER, finished('07', 1));
      expect(kinds(story.check())).to.deep.equal(['stream']);
    });

    it('that nobody sent', () => {
      const story = accepted().saw(OWNER, finished('05', 1));
      expect(kinds(story.check())).to.deep.equal(['stream']);
    });

    it('that were told to another owner', () => {
      const story = run().saw(RUNNER, chunk('05', 1), chunk('05', 2), finished('05', 3));
      expect(kinds(story.check())).to.contain('stream');
    });

    it('that a successor ends in another way than its predecessor', () => {
      const story = run()
        .saw(OWNER, chunk('05', 1), chunk('05', 2), finished('05', 3))
        .dies(OWNER)
        .process('c', OWNER, true)
        .saw('c', { what: 'told', id: 'r1', kind: 'failed', reason: 'no tries left: 3 runners lost it' });
      expect(story.check().figures.duplicated).to.equal(1);
    });

    it('but not that a successor tells what its predecessor told in its last moments', () => {
      const story = run()
        .saw(OWNER, chunk('05', 1), chunk('05', 2))
        .dies(OWNER)
        .process('c', OWNER, true)
        .saw('c', chunk('05', 2), finished('05', 3));
      const { figures, violations } = story.check();
      expect(violations).to.deep.equal([]);
      expect(figures.toldAgain).to.equal(1);
    });

    it('that a successor skips', () => {
      const story = run()
        .saw(OWNER, chunk('05', 1))
        .dies(OWNER)
        .process('c', OWNER, true)
        .saw('c', finished('05', 3));
      expect(kinds(story.check())).to.deep.equal(['stream']);
    });
  });

  describe('notices a zombie', () => {
    it('whose result was accepted after another had the claim', () => {
      const verdict = accepted()
        .saw(RUNNER, ...claimed('05'))
        .saw(OWNER, ...claimed('07', '01', 'r1', 1))
        .saw(RUNNER, sent('05', 1, true))
        .saw(OWNER, finished('05', 1))
        .check();
      expect(verdict.figures.staleAccepted).to.equal(1);
    });

    it('whose result came after one of a later claim', () => {
      const verdict = accepted()
        .saw(RUNNER, ...claimed('05'), sent('05', 1, true))
        .saw(OWNER, ...claimed('07', '01', 'r1', 1), sent('07', 1, false))
        .saw(OWNER, chunk('07', 1), restart(), finished('05', 1))
        .check();
      expect(verdict.figures.staleAccepted).to.equal(1);
    });

    it('and a token that two processes hold', () => {
      const story = accepted()
        .saw(RUNNER, ...claimed('05'), sent('05', 1, true))
        .saw(OWNER, ...claimed('05'), finished('05', 1));
      expect(kinds(story.check())).to.deep.equal(['holder']);
    });
  });
});
