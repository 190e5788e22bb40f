// A planted fault for the rule that nothing accepted waits beside an idle engine, and for each thing that excuses it.
import { expect } from 'chai';
import type { Bounds, Window } from '../../../scripts/lib/checker/stranded.ts';
import type { EngineSize } from '../../../scripts/lib/harness/happenings.ts';
import { OWNER, RUNNER, Story, claimed, finished, kinds, placed, put, sent } from '../chaos/evidence.ts';

const ENGINE: EngineSize = { availableBlocks: 10, blockSize: 16, reservedOutputBlocks: 1, batch: 2 };
const BOUNDS: Bounds = { foundMs: 1_000, reapedMs: 500, aheadMs: 20, patienceMs: 2_000, roomMs: 5_000 };
const UNTIL = 20_000;
const LEASE_MS = 1_500;

/** A front, an engine, and a request that waits there. */
function waiting(promptTokens = 8): Story {
  return new Story()
    .process(OWNER)
    .process(RUNNER, RUNNER, false, ENGINE)
    .saw(OWNER, put('r1', { promptTokens }), placed(), { what: 'accepted', id: 'r1' });
}

/** Claimed and executed in the end. */
function ends(story: Story, claims = claimed('05')): Story {
  return story.saw(RUNNER, ...claims, sent('05', 1, true)).saw(OWNER, finished('05', 1));
}

function broken(
  story: Story,
  windows: Window[] = [],
  clockSteps: { at: number; byMs: number }[] = [],
): string[] {
  const watch = { bounds: BOUNDS, windows, until: UNTIL };
  return kinds(story.check({ watch, clockSteps, leaseMs: LEASE_MS }));
}

/** Another request runs at the engine from now on. */
function runs(story: Story, promptTokens: number): Story {
  return story
    .saw(OWNER, put('r2', { promptTokens }), placed('02', 'r2'), { what: 'accepted', id: 'r2' })
    .saw(RUNNER, ...claimed('03', '02', 'r2'));
}

function hasRun(story: Story): Story {
  return story.saw(RUNNER, sent('03', 1, true, 'r2')).saw(OWNER, finished('03', 1, 'r2'));
}

describe('the checker, of requests that wait beside an idle engine,', () => {
  it('knows the bound', () => {
    expect(broken(ends(waiting().pass(900)))).to.deep.equal([]);
    expect(broken(ends(waiting().pass(1_100)))).to.deep.equal(['waited']);
  });

  it('says how long the longest waited', () => {
    const watch = { bounds: BOUNDS, windows: [], until: UNTIL };
    const { longestWaitMs } = ends(waiting().pass(900)).check({ watch, leaseMs: LEASE_MS });
    expect(longestWaitMs).to.be.within(900, 910);
  });

  it('sees what nobody ever claimed', () => {
    expect(broken(waiting())).to.include('waited');
  });

  it('counts only an engine that serves, and has room for it beside what runs', () => {
    expect(broken(ends(waiting(200).pass(1_100)))).to.deep.equal([]);
    expect(broken(hasRun(ends(runs(waiting(90), 100).pass(1_100))))).to.not.include('waited');
    expect(broken(hasRun(ends(runs(waiting(8), 100).pass(1_100))))).to.include('waited');
    const before = waiting().saw(RUNNER, { what: 'closing' }).pass(1_100);
    expect(
      broken(
        before
          .process('late', 'late', false, ENGINE)
          .saw('late', ...claimed('05'), sent('05', 1, true))
          .saw(OWNER, finished('05', 1)),
      ),
    ).to.deep.equal([]);
  });

  it('knows that an engine which takes older ones meanwhile is not idle, and one that takes younger ones is', () => {
    const busy = (order: string): string[] => {
      const story = waiting().pass(600);
      const other = `r${order}`;
      story.saw(OWNER, put(other), placed(order, other), { what: 'accepted', id: other });
      story
        .saw(RUNNER, ...claimed('03', order, other), sent('03', 1, true, other))
        .saw(OWNER, finished('03', 1, other));
      return broken(ends(story.pass(600)));
    };
    expect(busy('00')).to.deep.equal([]);
    expect(busy('ffff')).to.include('waited');
  });

  describe('lets no bound run', () => {
    const story = (): Story => ends(waiting().pass(3_000));
    const window = { what: 'stall', from: 500, to: 2_800 };

    it('while a fault strikes everybody, this engine, or this shard', () => {
      expect(broken(story(), [window])).to.deep.equal([]);
      expect(broken(story(), [{ ...window, labels: new Set([RUNNER]) }])).to.deep.equal([]);
      expect(broken(story(), [{ ...window, shards: new Set([0]) }])).to.deep.equal([]);
    });

    it('and no other fault excuses it', () => {
      expect(broken(story(), [{ ...window, labels: new Set([OWNER]) }])).to.deep.equal(['waited']);
      expect(broken(story(), [{ ...window, shards: new Set([1]) }])).to.deep.equal(['waited']);
      expect(broken(story(), [{ ...window, to: 1_700 }])).to.deep.equal(['waited']);
    });

    it('while its engine may keep room for an older and larger one', () => {
      const behind = (tokens: number): Story =>
        new Story()
          .process(OWNER)
          .process(RUNNER, RUNNER, false, ENGINE)
          .saw(OWNER, put('big', { promptTokens: tokens, deadlineMs: 9_000 }), placed('00', 'big'))
          .pass(2_500)
          .saw(OWNER, put('r1', { promptTokens: 8 }), placed(), { what: 'accepted', id: 'r1' })
          .pass(1_500);
      const late = (tokens: number): (string | undefined)[] => {
        const watch = { bounds: { ...BOUNDS, roomMs: 9_000 }, windows: [], until: UNTIL };
        const { violations } = ends(behind(tokens)).check({ watch, leaseMs: LEASE_MS });
        return violations.filter(({ kind }) => kind === 'waited').map(({ id }) => id);
      };
      // the large one itself should have been taken
      expect(late(140)).to.deep.equal(['big']);
      expect(late(1_000)).to.deep.equal(['r1']);
    });
  });

  it('gives what a dead runner held a lease and a reap, and no more', () => {
    const story = (ms: number): Story =>
      waiting()
        .process('dead', 'dead', false, ENGINE)
        .saw('dead', ...claimed('04'))
        .dies('dead')
        .pass(ms)
        .saw(RUNNER, ...claimed('05', '01', 'r1', 1), sent('05', 1, true))
        .saw(OWNER, finished('05', 1));
    const late = (ms: number, steps: { at: number; byMs: number }[] = []): string[] =>
      broken(story(ms), [], steps).filter((kind) => kind === 'waited');
    expect(late(1_500 + 2_900)).to.deep.equal([]);
    expect(late(1_500 + 3_100)).to.deep.equal(['waited']);
    // its lease ends by the clock of Redis
    expect(late(1_500 + 3_100, [{ at: 1_000, byMs: -5_000 }])).to.deep.equal([]);
  });

  it('knows that the oldest of a shard is given room, by an engine that could hold it', () => {
    const story = (ms: number, tokens = 140): Story => hasRun(ends(runs(waiting(tokens), 100).pass(ms)));
    const late = (one: Story): string[] => broken(one).filter((kind) => kind === 'waited');
    expect(late(story(4_900))).to.deep.equal([]);
    expect(late(story(5_100))).to.deep.equal(['waited']);
    expect(late(story(5_100, 1_000))).to.deep.equal([]);
  });
});
