// Any sequence of actions of the model test, on a fleet in memory and on one in Redis: a program sees the same.
import { deepStrictEqual } from 'node:assert/strict';
import fc from 'fast-check';
import { NODES, action, rules } from '../model/actions.ts';
import { Steps, isOfProgram } from './steps.ts';
import { inMemory, inRedis, type World } from './worlds.ts';

const BUDGET_MS = Number(process.env.SCHED_LUA_MODEL_MS ?? 6_000);
const SEED = Number(process.env.SCHED_LUA_SEED ?? Math.floor(Math.random() * 2 ** 31));

type Run = readonly [
  rules: Parameters<Steps['begin']>[1],
  nodes: number,
  maxWaiting: number,
  actions: readonly Parameters<Steps['act']>[0][],
];

/** All that was seen of a run in one world. */
async function run(
  world: World,
  [rule, nodes, maxWaiting, actions]: Run,
  expected?: readonly string[],
): Promise<Steps> {
  const steps = new Steps(world, expected);
  try {
    // which of several peers `lucky` draws is chance
    await steps.begin(NODES.slice(0, rule.policy === 'lucky' ? 2 : nodes), rule, maxWaiting);
    for (const one of actions) await steps.act(one);
    await steps.drain();
    return steps;
  } finally {
    await world.close();
  }
}

describe('a fleet in memory beside one in Redis', () => {
  it('lets a program see the same, whatever is done', async function () {
    this.timeout(BUDGET_MS * 3 + 120_000);
    console.log(`      seed ${SEED} (replay with SCHED_LUA_SEED=${SEED})`);
    let seen = 0;
    let running: Promise<unknown> = Promise.resolve();
    const compare = async (one: Run): Promise<void> => {
      const memory = await run(inMemory(), one);
      const redis = await run(inRedis(), one, memory.said);
      deepStrictEqual(memory.said, redis.said);
      deepStrictEqual(memory.told, redis.told);
      seen += memory.said.length + memory.told.length;
    };
    const property = fc.asyncProperty(
      rules,
      fc.integer({ min: 2, max: NODES.length }),
      fc.constantFrom(100, 4),
      fc.array(action.filter(isOfProgram), { minLength: 1, maxLength: 60, size: 'max' }),
      (...one) => (running = compare(one)),
    );
    // one whatever the time; on a busy machine none may follow, which is no failure
    await fc.assert(property, { seed: SEED, numRuns: 1 });
    const limits = { interruptAfterTimeLimit: BUDGET_MS, markInterruptAsFailure: false };
    const more = await fc.check(property, { seed: SEED, numRuns: 1_000_000, ...limits });
    if (more.counterexample !== null)
      throw new Error(await fc.asyncDefaultReportMessage(more), { cause: more.errorInstance });
    // the time may have run out in the middle of a run
    await running;
    console.log(`      ${seen} outcomes compared`);
  });
});
