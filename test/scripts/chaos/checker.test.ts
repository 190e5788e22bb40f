// The checker of the chaos run on hand-made histories: it must be able to fail.
import { expect } from 'chai';
import type { Happening } from '../../../scripts/lib/harness/happenings.ts';
import {
  OWNER,
  RUNNER,
  Story,
  accepted,
  chunk,
  claimed,
  finished,
  kinds,
  put,
  restart,
  sent,
  tick,
} from './evidence.ts';

describe('the checker of the chaos run', () => {
  it('finds nothing wrong with a request that was run elsewhere and told once', () => {
    const story = accepted()
      .saw(RUNNER, ...claimed('05'), sent('05', 1, false), sent('05', 2, true))
      .saw(OWNER, chunk('05', 1), finished('05', 2));
    const { figures, violations } = story.check();
    expect(violations).to.deep.equal([]);
    expect(figures).to.include({ accepted: 1, ended: 1, finished: 1, lost: 0, duplicated: 0 });
  });

  it('finds nothing wrong with a second attempt behind a restart marker', () => {
    const story = accepted()
      .saw(RUNNER, ...claimed('05'), sent('05', 1, false))
      .saw(OWNER, chunk('05', 1), ...claimed('07', '01', 'r1', 1), sent('07', 1, true))
      .saw(OWNER, restart(), finished('07', 1));
    expect(story.check().violations).to.deep.equal([]);
    expect(story.check().figures.reclaimed).to.equal(1);
  });

  describe('calls a request lost', () => {
    it('if nobody was told its end', () => {
      const story = accepted().saw(RUNNER, ...claimed('05'), sent('05', 1, true));
      expect(kinds(story.check())).to.deep.equal(['lost']);
      expect(story.check().figures.lost).to.equal(1);
    });

    it('if it is still in Redis when all should have ended', () => {
      const { violations } = accepted()
        .leaves({ records: new Set(['a|r1']) })
        .check();
      expect(violations[0]!.message).to.contain('still in Redis');
    });

    it('if its owner was killed, and nobody is proven to have ended it', () => {
      expect(kinds(accepted().dies(OWNER).check())).to.deep.equal(['lost']);
    });

    it('if a result of it is in Redis, whoever was killed', () => {
      const story = accepted()
        .saw(OWNER, ...claimed('05'), sent('05', 1, true))
        .dies(OWNER)
        .leaves({ mails: new Set(['a|r1']) });
      expect(kinds(story.check())).to.deep.equal(['lost']);
    });
  });

  describe('checks the line of an owner', () => {
    /** r1 came first; each is [id, order, fence, triesSpent]. */
    const line = (...claims: [id: string, order: string, fence: string, triesSpent?: number][]): Story => {
      const story = accepted('r1').saw(OWNER, put('r2'), { what: 'accepted', id: 'r2' });
      for (const [id, order, fence, triesSpent] of claims) {
        story.saw(RUNNER, ...claimed(fence, order, id, triesSpent), sent(fence, 1, true, id));
      }
      for (const [id, , fence] of claims) story.saw(OWNER, finished(fence, 1, id));
      return story;
    };

    it('in which shorter requests may pass longer ones, and no others', () => {
      const pass = (tokens: number): unknown =>
        new Story()
          .process(OWNER)
          .process(RUNNER)
          .saw(OWNER, put('long'), { what: 'accepted', id: 'long' }, put('next'), {
            what: 'accepted',
            id: 'next',
          })
          .saw(RUNNER, ...claimed('05', '02', 'next', 0, tokens), ...claimed('06', '01', 'long', 0, 3))
          .check()
          .violations.filter(({ message }) => message.includes('was claimed after it')).length;
      expect([2, 3, 4].map(pass)).to.deep.equal([0, 1, 1]);
    });

    it('and complains of one that was overtaken', () => {
      const verdict = line(['r2', '02', '05'], ['r1', '01', '06']).check();
      expect(verdict.figures.orderViolations).to.equal(1);
      expect(verdict.violations[0]).to.include({ kind: 'order', id: 'r1' });
    });

    it('but not of one whose runner was lost, that was given back, or that has another priority', () => {
      expect(line(['r2', '02', '05'], ['r1', '01', '06', 1]).check().violations).to.deep.equal([]);
      const givenBack = accepted('r1')
        .saw(OWNER, put('r2'), { what: 'accepted', id: 'r2' })
        .saw(RUNNER, ...claimed('04', '01', 'r1'), { what: 'givenBack', id: 'r1', fence: tick('04') })
        .saw(RUNNER, ...claimed('05', '02', 'r2'), sent('05', 1, true, 'r2'))
        .saw(RUNNER, ...claimed('06', '01', 'r1'), sent('06', 1, true, 'r1'))
        .saw(OWNER, finished('05', 1, 'r2'), finished('06', 1, 'r1'));
      expect(givenBack.check().violations).to.deep.equal([]);
      const urgent = accepted('r1')
        .saw(OWNER, put('r2', { priority: 2_000 }), { what: 'accepted', id: 'r2' })
        .saw(RUNNER, ...claimed('05', '02', 'r2'), sent('05', 1, true, 'r2'))
        .saw(RUNNER, ...claimed('06', '01', 'r1'), sent('06', 1, true, 'r1'))
        .saw(OWNER, finished('05', 1, 'r2'), finished('06', 1, 'r1'));
      expect(urgent.check().violations).to.deep.equal([]);
    });
  });

  describe('complains of an end', () => {
    const ends = (kind: 'failed' | 'cancelled' | 'expired', reason?: string): Story =>
      accepted().saw(OWNER, { what: 'told', id: 'r1', kind, ...(reason === undefined ? {} : { reason }) });

    it('that nobody asked for', () => {
      for (const story of [ends('failed', 'a surprise'), ends('cancelled'), ends('expired')])
        expect(kinds(story.check())).to.deep.equal(['ending']);
    });

    it('that came before its time', () => {
      const story = new Story()
        .process(OWNER)
        .saw(OWNER, put('r1', { deadlineMs: 1_000 }), { what: 'accepted', id: 'r1' })
        .saw(OWNER, { what: 'told', id: 'r1', kind: 'expired' });
      expect(kinds(story.check())).to.deep.equal(['ending']);
    });

    it('but not of a runner lost too often', () => {
      const { figures, violations } = ends('failed', 'no tries left: 3 runners lost it').check();
      expect(violations).to.deep.equal([]);
      expect(figures).to.include({ failed: 1, ended: 1 });
    });
  });

  it('complains of a put that a living node never answered, and of a refused one with results', () => {
    const silent = new Story().process(OWNER).saw(OWNER, put());
    expect(kinds(silent.check())).to.deep.equal(['answer']);
    const refused = new Story()
      .process(OWNER)
      .process(RUNNER)
      .saw(OWNER, put(), { what: 'refused', id: 'r1', code: 'REDIS', reason: 'OOM' })
      .saw(RUNNER, ...claimed('05'), sent('05', 1, true))
      .saw(OWNER, finished('05', 1));
    expect(kinds(refused.check())).to.deep.equal(['answer']);
  });

  describe('complains of two holders of one request', () => {
    const granted = (second: Happening[], givesBack = false): Story => {
      const story = accepted().saw(RUNNER, ...claimed('05'), sent('05', 1, false));
      if (givesBack) story.saw(RUNNER, { what: 'givenBack', id: 'r1', fence: tick('05') });
      story.saw(OWNER, chunk('05', 1), ...second, sent('09', 1, true), restart(), finished('09', 1));
      return story;
    };

    it('if it was granted again and had not been given back', () => {
      expect(kinds(granted(claimed('09')).check())).to.deep.equal(['holder']);
      expect(kinds(granted(claimed('09'), true).check())).to.deep.equal([]);
    });

    it('if it was granted again before the lease was over', () => {
      expect(kinds(granted(claimed('09', '01', 'r1', 1)).check())).to.deep.equal([]);
      expect(kinds(granted(claimed('09', '01', 'r1', 1)).check({ leaseMs: 2 }))).to.deep.equal(['holder']);
    });

    it('but not if a loss of data undid the first claim', () => {
      const story = accepted()
        .saw(RUNNER, ...claimed('05'))
        .loses(
          { records: new Map([['r1', tick('05')]]), ticks: [tick('05')] },
          { records: new Map([['r1', undefined]]) },
        )
        .saw(OWNER, ...claimed('09'), sent('09', 1, true), finished('09', 1));
      expect(kinds(story.check())).to.deep.equal([]);
    });
  });

  it('passes on what is left in Redis and should not be', () => {
    const story = accepted()
      .saw(RUNNER, ...claimed('05'), sent('05', 1, true))
      .saw(OWNER, finished('05', 1))
      .leaves({ complaints: ['idle of shard 0 has a'] });
    expect(kinds(story.check())).to.deep.equal(['left']);
  });
});
