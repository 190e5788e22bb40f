// A planted fault for every rule of the checker that the paper histories of demo and chaos do not break already, and
// for what it forgives only in a run with outages: without the fault, or with the excuse, the same story is kept.
import { expect } from 'chai';
import type { Happening } from '../../../scripts/lib/harness/happenings.ts';
import type { ClockStep } from '../../../scripts/lib/checker/evidence.ts';
import {
  OWNER,
  RUNNER,
  Story,
  accepted,
  chunk,
  claimed,
  finished,
  kinds,
  output,
  placed,
  put,
  restart,
  sent,
  taken,
  tick,
} from '../chaos/evidence.ts';

const HEIR = 'heir';
const UNDISTURBED = { outageMs: 0 };

/** Broken in this way, whatever the faults of the run. */
function broken(story: Story, ...kind: string[]): void {
  expect(kinds(story.check())).to.deep.equal(kind);
  expect(kinds(story.check(UNDISTURBED))).to.deep.equal(kind);
}

function kept(story: Story): void {
  broken(story);
}

/** Broken in this way, unless broken connections may explain it. */
function onlyWithOutages(story: Story, ...kind: string[]): void {
  expect(kinds(story.check())).to.deep.equal([]);
  expect(kinds(story.check(UNDISTURBED))).to.deep.equal(kind);
}

describe('the checker, of planted faults,', () => {
  describe('knows that a deadline is told in time', () => {
    const expires = (ms: number): Story =>
      new Story()
        .process(OWNER)
        .saw(OWNER, put('r1', { deadlineMs: 1_000 }), { what: 'accepted', id: 'r1' })
        .pass(ms)
        .saw(OWNER, { what: 'told', id: 'r1', kind: 'expired' });

    it('by the process that put it, but for the time that faults may take', () => {
      kept(expires(2_000));
      onlyWithOutages(expires(7_000), 'ending');
      broken(expires(120_000), 'ending');
    });

    it('otherwise by a successor only if its process died before Redis heard of it', () => {
      const succeeded = (ms: number): Story =>
        expires(1_500)
          .process(RUNNER)
          .saw(RUNNER, ...claimed('05'), sent('05', 1, true))
          .pass(ms)
          .dies(OWNER)
          .process(HEIR, OWNER, true)
          .saw(HEIR, finished('05', 1));
      onlyWithOutages(succeeded(0), 'duplicated');
      broken(succeeded(120_000), 'duplicated');
      const cutOff = (ms: number): Story =>
        expires(1_500)
          .process(RUNNER)
          .saw(RUNNER, ...claimed('05'), sent('05', 1, true))
          .pass(ms)
          .process(HEIR, OWNER, true)
          .pass(120_000)
          .dies(OWNER)
          .saw(HEIR, finished('05', 1));
      onlyWithOutages(cutOff(0), 'duplicated');
      broken(cutOff(120_000), 'duplicated');
    });

    it('by the process that put it also after its successor, of which it had not heard', () => {
      const succeeded = (kind: 'expired' | 'cancelled', ...heard: Happening[]): Story =>
        new Story()
          .process(OWNER)
          .saw(OWNER, put('r1', { deadlineMs: 1_000 }), { what: 'accepted', id: 'r1' })
          .process(HEIR, OWNER, true)
          .pass(1_200)
          .saw(HEIR, taken('00', 0, true), { what: 'told', id: 'r1', kind: 'expired' })
          .pass(300)
          .saw(OWNER, ...heard, { what: 'told', id: 'r1', kind });
      onlyWithOutages(succeeded('expired'), 'duplicated');
      broken(succeeded('cancelled'), 'duplicated');
      broken(succeeded('expired', taken('00', 0, true)), 'duplicated');
      const heirAlone = new Story()
        .process(OWNER)
        .saw(OWNER, put('r1', { deadlineMs: 1_000 }), { what: 'accepted', id: 'r1' })
        .process(HEIR, OWNER, true)
        .pass(1_200)
        .saw(OWNER, { what: 'told', id: 'r1', kind: 'cancelled' })
        .saw(HEIR, { what: 'told', id: 'r1', kind: 'expired' });
      broken(heirAlone, 'duplicated', 'ending');
    });
  });

  describe('knows that Redis grants every execution', () => {
    const granted = claimed('05')[0]!;
    const execution = claimed('05')[1]!;
    const ends = (story: Story): Story =>
      story.saw(RUNNER, sent('05', 1, true)).saw(OWNER, finished('05', 1));

    it('so none comes without a claim', () => {
      kept(ends(accepted().saw(RUNNER, granted, execution)));
      broken(ends(accepted().saw(RUNNER, execution)), 'holder');
      broken(ends(accepted().saw(OWNER, granted).saw(RUNNER, execution)), 'holder');
    });

    it('once: no claim is executed again', () => {
      broken(ends(accepted().saw(RUNNER, granted, execution, execution)), 'holder');
    });

    it('as the attempt that it is', () => {
      broken(ends(accepted().saw(RUNNER, granted, claimed('05', '01', 'r1', 1)[1]!)), 'holder');
    });
  });

  describe('knows that a fence is given once, also when Redis has lost who had it', () => {
    /** The runner had it, and the request waits again. */
    const lost = (): Story =>
      accepted()
        .saw(RUNNER, ...claimed('05'))
        .loses(
          { records: new Map([['r1', tick('05')]]), ticks: [tick('05')] },
          { records: new Map([['r1', undefined]]), ticks: [tick('04')] },
        );
    const runs = (story: Story, fence: string, id = 'r1', order = '01'): Story =>
      story.saw(OWNER, ...claimed(fence, order, id), sent(fence, 1, true, id), finished(fence, 1, id));

    it('so a later one is another', () => {
      expect(kinds(runs(lost(), '06').check())).to.deep.equal([]);
    });

    it('also by a shard that lost all, and counts from its clock again: claims before and after are not compared', () => {
      const emptied = runs(accepted(), '05').loses({ ticks: [tick('05')] });
      const other = emptied.saw(OWNER, put('r2'), { what: 'accepted', id: 'r2' });
      expect(kinds(runs(other, '03', 'r2', '02').check())).to.deep.equal([]);
    });

    it('not to two runners of one request', () => {
      expect(kinds(runs(lost(), '05').check())).to.deep.equal(['holder']);
    });

    it('not to two requests', () => {
      const other = lost().saw(OWNER, put('r2'), { what: 'accepted', id: 'r2' });
      expect(kinds(runs(runs(other, '05', 'r2', '02'), '06').check())).to.include('holder');
    });
  });

  it('measures a lease by fences, until the clock of Redis was set back', () => {
    const story = (): Story =>
      accepted()
        .pass(3_600_000)
        .saw(RUNNER, ...claimed('05'), sent('05', 1, false))
        .saw(OWNER, chunk('05', 1), ...claimed('09', '01', 'r1', 1), sent('09', 1, true))
        .saw(OWNER, restart(), finished('09', 1));
    const judge = (...clockSteps: ClockStep[]): string[] => kinds(story().check({ leaseMs: 2, clockSteps }));
    expect(judge()).to.deep.equal(['holder']);
    expect(judge({ at: 1_000, byMs: 500 })).to.deep.equal(['holder']);
    expect(judge({ at: 4_000_000, byMs: -500 })).to.deep.equal(['holder']);
    expect(judge({ at: 1_000, byMs: -500 })).to.deep.equal([]);
  });

  describe('knows what a later claim of a request looks like', () => {
    const story = (...[order, triesSpent]: [string, number]): Story =>
      accepted()
        .saw(RUNNER, ...claimed('05', '01', 'r1', 1), sent('05', 1, false))
        .saw(OWNER, chunk('05', 1), ...claimed('09', order, 'r1', triesSpent), sent('09', 1, true))
        .saw(OWNER, restart(), finished('09', 1));

    it('it has spent more tries', () => {
      kept(story('01', 2));
      broken(story('01', 0), 'holder');
    });

    it('it has the same ticket, as long as Redis has lost nothing', () => {
      broken(story('02', 2), 'holder');
      kept(story('02', 2).loses({ ticks: [tick('02')] }));
    });
  });

  describe('knows the results of a request', () => {
    const run = (): Story =>
      accepted().saw(RUNNER, ...claimed('05'), sent('05', 1, false), sent('05', 2, true));

    it('a chunk is none that was sent as the final, nor the other way round', () => {
      broken(run().saw(OWNER, chunk('05', 1), chunk('05', 2), finished('05', 3)), 'stream', 'stream');
      broken(run().saw(OWNER, finished('05', 1)), 'stream');
    });

    it('each carries the output of its own request', () => {
      const other = { ...output('05', 2), id: 'r2' };
      const story = run().saw(OWNER, chunk('05', 1));
      broken(story.saw(OWNER, { what: 'told', id: 'r1', kind: 'finished', output: other }), 'output');
    });

    it('the last one is as long as the client wanted it', () => {
      const story = (tokens: number): Story =>
        new Story()
          .process(OWNER)
          .saw(OWNER, { what: 'put', id: 'r1', priority: 0, outputTokens: 4 }, { what: 'accepted', id: 'r1' })
          .saw(OWNER, ...claimed('05'), sent('05', 1, true))
          .saw(OWNER, { what: 'told', id: 'r1', kind: 'finished', output: { ...output('05', 1), tokens } });
      kept(story(4));
      broken(story(3), 'output');
    });
  });

  describe('knows who may tell them', () => {
    const run = (): Story =>
      accepted().saw(RUNNER, ...claimed('05'), sent('05', 1, false), sent('05', 2, true));

    it('the owner, or one that took its name over, unless a loss of data undid that', () => {
      const heir = (takeover: boolean): Story =>
        run().dies(OWNER).process(HEIR, OWNER, takeover).saw(HEIR, chunk('05', 1), finished('05', 2));
      kept(heir(true));
      broken(heir(false), 'stream');
      kept(heir(false).loses({}));
    });

    it('never one that had the name before the owner', () => {
      const story = (): Story =>
        new Story()
          .process('before', OWNER)
          .process(OWNER, OWNER, true)
          .process(RUNNER)
          .saw(OWNER, put(), { what: 'accepted', id: 'r1' })
          .saw(RUNNER, ...claimed('05'), sent('05', 1, true))
          .saw('before', finished('05', 1));
      broken(story(), 'stream');
      kept(story().loses({}));
    });

    it('a process that died may have told again only what it could not acknowledge', () => {
      const story = (ms: number): Story =>
        run()
          .saw(OWNER, chunk('05', 1))
          .pass(ms)
          .dies(OWNER)
          .process(HEIR, OWNER, true)
          .saw(HEIR, chunk('05', 1), finished('05', 2));
      kept(story(900));
      onlyWithOutages(story(1_100), 'stream');
      broken(story(12_100), 'stream');
    });

    it('a successor begins with the first result of a claim of which its predecessor told nothing', () => {
      const story = run().dies(OWNER).process(HEIR, OWNER, true).saw(HEIR, finished('05', 2));
      onlyWithOutages(story, 'stream');
    });

    it('a successor goes back to no earlier claim', () => {
      const story = accepted()
        .saw(RUNNER, ...claimed('05'), sent('05', 1, true))
        .saw(RUNNER, ...claimed('09', '01', 'r1', 1), sent('09', 1, false))
        .saw(OWNER, chunk('09', 1))
        .dies(OWNER)
        .process(HEIR, OWNER, true)
        .saw(HEIR, finished('05', 1));
      broken(story, 'stale');
    });
  });

  describe('knows how a request may end', () => {
    it('given up only where runners are lost again and again', () => {
      for (const reason of ['no tries left: 3 runners lost it', 'results were lost'])
        onlyWithOutages(accepted().saw(OWNER, { what: 'told', id: 'r1', kind: 'failed', reason }), 'ending');
    });

    it('with results after a put without an answer, and never after a refusal', () => {
      const refused = (code: string): Story =>
        new Story()
          .process(OWNER)
          .saw(OWNER, put(), { what: 'refused', id: 'r1', code, reason: '' })
          .saw(OWNER, ...claimed('05'), sent('05', 1, true), finished('05', 1));
      for (const code of ['TIMEOUT', 'CLOSED', 'EVICTED', 'UNSURE']) onlyWithOutages(refused(code), 'answer');
      broken(refused('TOO_LARGE'), 'answer');
    });

    it('by a final that died with its owner, only where a process may hold it untold', () => {
      const ran = accepted().saw(RUNNER, ...claimed('05'), sent('05', 1, true));
      onlyWithOutages(ran.saw(OWNER, placed(), taken('05', 1, true)).dies(OWNER), 'lost');
    });

    it('by its own result, only if its owner was granted the claim while it lived', () => {
      kept(
        accepted()
          .saw(OWNER, ...claimed('05'), sent('05', 1, true))
          .dies(OWNER),
      );
      broken(
        accepted()
          .dies(OWNER)
          .saw(OWNER, ...claimed('05'), sent('05', 1, true)),
        'lost',
      );
    });
  });

  it('misses a put of what was accepted, and sees what an ended request leaves in Redis', () => {
    const run = (story: Story): Story =>
      story.saw(
        OWNER,
        { what: 'accepted', id: 'r1' },
        ...claimed('05'),
        sent('05', 1, true),
        finished('05', 1),
      );
    const put1 = new Story().process(OWNER).saw(OWNER, put());
    broken(run(new Story().process(OWNER)), 'answer');
    kept(run(put1));
    broken(
      put1.leaves({ records: new Set(['a|r1']), mails: new Set(['a|r1', 'a|r2']) }),
      'left',
      'left',
      'left',
    );
  });
});
