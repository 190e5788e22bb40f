// The proofs by which a request may have ended with its killed owner: each fails by one missing piece of evidence.
import { expect } from 'chai';
import type { Happening } from '../../../scripts/lib/harness/happenings.ts';
import type { Proof } from '../../../scripts/lib/checker/with-owner.ts';
import {
  OWNER,
  RUNNER,
  accepted,
  claimed,
  kinds,
  placed,
  put,
  sent,
  taken,
  tick,
  type Story,
} from './evidence.ts';

const HEIR = 'heir';
const LONG_MS = 60_000;

function ended(by: Proof, story: Story): void {
  const { figures, proofs, violations } = story.check();
  expect(violations).to.deep.equal([]);
  expect(figures).to.include({ endedWithOwner: 1, lost: 0, ended: 0 });
  expect(proofs[by]).to.equal(1);
}

function lost(...stories: Story[]): void {
  for (const story of stories) expect(kinds(story.check())).to.deep.equal(['lost']);
}

describe('the checker of the chaos run counts a request as ended with its killed owner', () => {
  describe('if the owner ran it itself, and died with the result', () => {
    const own = (final: boolean): Story => accepted().saw(OWNER, ...claimed('05'), sent('05', 1, final));

    it('that it had just sent', () => ended('ownResult', own(true).dies(OWNER)));
    it('that it had sent long before, if Redis has answered nothing since', () => {
      ended('ownResult', own(true).pass(LONG_MS).saw(OWNER, put('r2')).dies(OWNER));
    });
    it('but not before its final', () => lost(own(false).dies(OWNER)));
    it('but not while it lives', () => lost(own(true)));
    it('but not if it lived on for long', () => {
      lost(own(true).pass(LONG_MS).saw(OWNER, placed('07', 'r1')).dies(OWNER));
    });
    it('but not if another was granted the request later', () => {
      const story = own(true).saw(OWNER, { what: 'givenBack', id: 'r1', fence: tick('05') });
      lost(story.saw(RUNNER, ...claimed('06')).dies(OWNER));
    });
    it('nor if another ran it', () => {
      lost(
        accepted()
          .saw(RUNNER, ...claimed('05'), sent('05', 1, true))
          .dies(OWNER),
      );
    });
  });

  describe('if the owner, or its successor by takeover, died with the final from Redis', () => {
    const ran = (): Story => accepted().saw(RUNNER, ...claimed('05'), sent('05', 1, true));

    it('that it had just taken', () => {
      ended(
        'taken',
        ran()
          .saw(OWNER, taken('05', 1, true))
          .dies(OWNER),
      );
      const inherited = ran()
        .dies(OWNER)
        .process(HEIR, OWNER, true)
        .saw(HEIR, taken('05', 1, true));
      ended('taken', inherited.dies(HEIR));
    });
    it('but not by a chunk, nor by a final of an earlier ticket', () => {
      lost(
        ran()
          .saw(OWNER, taken('05', 1, false))
          .dies(OWNER),
      );
      lost(
        ran()
          .saw(OWNER, placed('03'), taken('05', 1, true))
          .dies(OWNER),
      );
    });
    it('but not while it lives, or if it lived on for long', () => {
      const inherited = (): Story =>
        ran()
          .dies(OWNER)
          .process(HEIR, OWNER, true)
          .saw(HEIR, taken('05', 1, true));
      lost(inherited());
      lost(
        inherited()
          .pass(LONG_MS)
          .saw(HEIR, taken('05', 1, false))
          .dies(HEIR),
      );
    });
    it('but not if somebody of another name took it', () => {
      lost(
        ran()
          .dies(OWNER)
          .saw(RUNNER, taken('05', 1, true))
          .dies(RUNNER),
      );
    });
  });

  describe('if a successor without takeover got its final', () => {
    const orphan = (takeover = false, name = OWNER): Story =>
      accepted().dies(OWNER).process(HEIR, name, takeover);

    it('from Redis, or of its own run', () => {
      ended(
        'dropped',
        orphan()
          .saw(RUNNER, ...claimed('05'), sent('05', 1, true))
          .saw(HEIR, taken('05', 1, true)),
      );
      ended('dropped', orphan().saw(HEIR, ...claimed('05'), sent('05', 1, true)));
    });
    it('but not by its name alone', () => {
      lost(orphan(), orphan().saw(RUNNER, ...claimed('05'), sent('05', 1, true)));
    });
    it('but not with takeover, nor under another name', () => {
      lost(
        orphan(true).saw(HEIR, taken('05', 1, true)),
        orphan(true).saw(HEIR, ...claimed('05'), sent('05', 1, true)),
      );
      lost(orphan(false, 'other').saw(HEIR, taken('05', 1, true)));
    });
    it('but not by a chunk', () => {
      lost(
        orphan().saw(HEIR, taken('05', 1, false)),
        orphan().saw(HEIR, ...claimed('05'), sent('05', 1, false)),
      );
    });
  });

  describe('if Redis lost it, and its owner died before it could put it again', () => {
    const held = { records: new Map([['r1', undefined]]), ticks: [tick('03')] };
    const stood = (): Story => accepted().saw(OWNER, placed('02'));
    const answered = (...scripts: string[]): Happening[] =>
      scripts.map((script) => ({ what: 'answered', shard: 0, script }));
    // twice each: the first may answer a call that was on its way when Redis died
    const steps = ['refresh', 'refresh', 'take_results', 'take_results', 'put_requests', 'put_requests'];

    it('while it waited, or as a final on its way', () => {
      ended('forgotten', stood().loses(held).dies(OWNER));
      ended(
        'forgotten',
        stood()
          .dies(OWNER)
          .loses({ finals: new Set(['r1']) }),
      );
    });
    it('but not if Redis did not hold it', () => lost(stood().loses({}).dies(OWNER)));
    it('but not if it came back', () => {
      lost(
        stood().loses(held, held).dies(OWNER),
        stood()
          .loses(held, { finals: new Set(['r1']) })
          .dies(OWNER),
      );
    });
    it('but not if the owner did put it again', () => {
      lost(stood().loses(held).saw(OWNER, placed('07')).dies(OWNER));
    });
    it('but not if the owner lives', () => lost(stood().loses(held)));
    it('but not if Redis answered all that noticing and a put take', () => {
      lost(
        stood()
          .loses(held)
          .saw(OWNER, ...answered(...steps))
          .dies(OWNER),
      );
    });
    it('so also if one answer of these was missing, or was of before, or of another shard', () => {
      for (const missing of steps.keys()) {
        const others = answered(...steps.filter((_, i) => i !== missing));
        ended(
          'forgotten',
          stood()
            .loses(held)
            .saw(OWNER, ...others)
            .dies(OWNER),
        );
      }
      const [first, ...rest] = answered(...steps) as [Happening, ...Happening[]];
      ended(
        'forgotten',
        stood()
          .saw(OWNER, first)
          .loses(held)
          .saw(OWNER, ...rest)
          .dies(OWNER),
      );
      const elsewhere = answered(...steps).map((one) => ({ ...one, shard: 1 }));
      ended(
        'forgotten',
        stood()
          .loses(held)
          .saw(OWNER, ...elsewhere)
          .dies(OWNER),
      );
    });
    it('also if its owner stood still, and read the answer to its put after the loss', () => {
      const late = (order: string): Story => accepted().loses(held).saw(OWNER, placed(order)).dies(OWNER);
      ended('forgotten', late('03'));
      lost(late('04'));
    });
  });
});
