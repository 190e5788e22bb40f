// A shard in memory beside the model of the model test, which is compared with the scripts in Redis: pure, and so many in little
// time. Then, one by one, what a shard in memory once did otherwise.
import { expect } from 'chai';
import fc from 'fast-check';
import type { LineRules } from '../../src/testing/in-process/lines.ts';
import type { Listener } from '../../src/testing/in-process/listener.ts';
import { MemoryShard } from '../../src/testing/in-process/memory-shard.ts';
import type { Bounds } from '../../src/testing/in-process/picking.ts';
import { hexOf } from '../lua/wire.ts';
import { NODES, action, rules } from '../model/actions.ts';
import { ShardTwin } from './shard-twin.ts';

const BUDGET_MS = Number(process.env.SCHED_LUA_MODEL_MS ?? 1_000);
const SEED = Number(process.env.SCHED_LUA_SEED ?? Math.floor(Math.random() * 2 ** 31));

describe('a shard in memory', () => {
  it('answers what the scripts answer, and leaves behind the same, whatever is done', function () {
    this.timeout(BUDGET_MS * 3 + 60_000);
    console.log(`      seed ${SEED} (replay with SCHED_LUA_SEED=${SEED})`);
    let steps = 0;
    const property = fc.property(
      rules,
      fc.integer({ min: 2, max: NODES.length }),
      fc.array(action, { minLength: 1, maxLength: 120, size: 'max' }),
      (rule, nodes, actions) => {
        const twin = new ShardTwin(rule, nodes);
        for (const one of actions) twin.act(one);
        steps += twin.steps;
      },
    );
    fc.assert(property, { seed: SEED, numRuns: 20 });
    const limits = { interruptAfterTimeLimit: BUDGET_MS, markInterruptAsFailure: false };
    fc.assert(property, { seed: SEED, numRuns: 1_000_000, ...limits });
    console.log(`      ${steps} calls compared`);
  });

  describe('does as the scripts do', () => {
    const TTL = 60_000;
    const OLDEST: LineRules = { policy: 'oldest', minLoad: 100, loadUnit: 'requests', stealAfter: 20 };
    const ALL: Bounds = {
      ...{ limit: 100, alone: 1_000, sum: 1_000, total: 1_000, bytes: 1_000_000, since: '0'.repeat(14) },
      ...{ idleFor: 1_000, entropy: 1, patience: 60_000, keepFor: 1_000, askOn: 0, elsewhere: -1 },
    };
    let now: number;
    let woken: string[];
    let shard: MemoryShard;

    beforeEach(() => {
      [now, woken] = [1_700_000_000_000, []];
      const listeners = NODES.map((name): [string, Listener] => {
        const claim = (_: number, delayMs: number): void => void woken.push(`${name} ${delayMs}`);
        const rings = { claim, results: () => undefined, refresh: () => undefined };
        return [name, { rings } as unknown as Listener];
      });
      const nodes = new Map(listeners);
      const peers = { get: (name: string) => nodes.get(name), aliveUntil: () => Infinity };
      shard = new MemoryShard(0, peers, () => now);
    });

    const put = (
      node: string,
      ids: readonly string[],
      { tokens = 1, maxWaiting = 1_000, announced = 'never', ...rules }: PutRules = {},
    ): string[] => {
      shard.enter({ name: node, epoch: hexOf(1, 14), rules: { ...OLDEST, ...rules } });
      const rest = {
        ...{ deadlineMs: TTL, headStartMs: 0, triesLeft: 3, triesSpent: 0, payload: '' },
        onOwnerLoss: 'finish' as const,
      };
      const items = ids.map((id) => ({ id, promptTokens: tokens, ...rest }));
      const said = announced === 'nothing' ? undefined : announced;
      return shard.put(items, maxWaiting, TTL, said).map(({ status }) => status);
    };
    const claim = (node: string, bounds: Partial<Bounds> = {}, rules: Partial<LineRules> = {}) => {
      shard.enter({ name: node, epoch: hexOf(1, 14), rules: { ...OLDEST, ...rules } });
      const { claims, status, againMs } = shard.claim({ ...ALL, ...bounds });
      return { ids: claims.map(({ ticket }) => ticket.split('|').at(-1)), status, againMs, claims };
    };

    it('refuses all that follows a FULL in its call, also what stands', () => {
      put('a', ['1', '2']);
      expect(put('a', ['1', '3', '2'], { maxWaiting: 2 })).to.deep.equal(['DUPLICATE', 'FULL', 'FULL']);
    });

    it('passes over sixteen that do not fit now, and looks at no more', () => {
      put(
        'a',
        Array.from({ length: 16 }, (_, i) => `large${i}`),
        { tokens: 500 },
      );
      put('a', ['small']);
      expect(claim('aa', { alone: 100 }))
        .to.include({ status: 'BLOCKED' })
        .and.to.deep.include({ ids: [] });
      shard.cancel([[...shard.requests.values()][0]!.ticket], 'cancelled', '');
      expect(claim('aa', { alone: 100 }).ids).to.deep.equal(['small']);
    });

    it('leaves to an owner what that will claim by itself, until it said', () => {
      put('a', ['1'], { announced: 100 });
      now += 99;
      expect(claim('aa')).to.deep.include({ ids: [], againMs: 1 });
      now += 1;
      expect(claim('aa').ids).to.deep.equal(['1']);
    });

    it('takes from a front at once, until a put of it says that it is none', () => {
      put('a', ['1']);
      expect(claim('aa').ids).to.deep.equal(['1']);
      put('a', ['2'], { announced: 'nothing' });
      expect(claim('aa')).to.deep.include({ ids: [], againMs: 20 });
      // what is refused notes nothing
      put('a', ['2']);
      expect(claim('aa').ids).to.deep.equal([]);
    });

    it('does not take a successor for the front that its predecessor was, and gives it what that held', () => {
      put('a', ['1']);
      put('aa', ['2']);
      expect(claim('a', { limit: 1 }).ids).to.deep.equal(['1']);
      shard.enter({ name: 'a', epoch: hexOf(2, 14), rules: OLDEST });
      expect(claim('aa')).to.deep.include({ ids: ['2'] });
      expect(claim('aa')).to.deep.include({ ids: [], againMs: 20 });
      now += 20;
      expect(claim('aa').claims.map(({ triesLeft, triesSpent }) => [triesLeft, triesSpent])).to.deep.equal([
        [2, 1],
      ]);
    });

    it('keeps from who gave a request back only that one, and elsewhere only while another has not had it', () => {
      put('a', ['1', '2']);
      const { claims } = claim('aa', { limit: 1 });
      shard.pushBack([{ ...claims[0]!, how: { afterMs: 0, elsewhere: true } }], TTL);
      expect(claim('aa', { elsewhere: 10 }).ids).to.deep.equal(['2']);
      expect(claim('aa', { elsewhere: 10 }).ids).to.deep.equal([]);
      expect(claim('aa', { elsewhere: -1 }).ids).to.deep.equal(['1']);
    });

    it('looks by lucky at what has waited long in one claim of eight, and takes half a batch of a peer', () => {
      const lucky = { policy: 'lucky', stealAfter: 0 } as const;
      put('a', ['old', 'older', 'third']);
      now += 10;
      put('aa', ['own']);
      expect(claim('aa', { entropy: 8, patience: 5, limit: 1 }, lucky).ids).to.deep.equal(['old']);
      expect(claim('aa', { entropy: 9, patience: 5 }, lucky).ids).to.deep.equal(['own']);
      expect(claim('aa', { entropy: 9, limit: 2 }, lucky).ids).to.deep.equal(['older']);
    });

    it('wakes one node: of those that may come now the one that is idle longest, else the last, with the delay', () => {
      for (const [node, idleFor] of [
        ['aa', 3_000],
        ['b:1', 2_000],
      ] as const)
        claim(node, { idleFor });
      put('a', ['1']);
      put('a', ['2']);
      put('a', ['3']);
      expect(woken).to.deep.equal(['b:1 0', 'aa 0']);
      woken.length = 0;
      for (const node of ['b:1', 'aa']) while (claim(node).ids.length > 0);
      put('n-2.x', ['1'], { announced: 'nothing' });
      expect(woken).to.deep.equal(['b:1 20']);
    });
  });
});

interface PutRules extends Partial<LineRules> {
  tokens?: number;
  maxWaiting?: number;
  announced?: number | 'never' | 'nothing';
}
