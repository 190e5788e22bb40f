import { ok } from 'node:assert/strict';
import fc from 'fast-check';
import { openClient } from '../../src/redis/connection.ts';
import type { Client } from '../../src/redis/run-script.ts';
import { SHARD_TABLES, shardKey } from '../../src/base/keys.ts';
import { freshTopic, redisUrl } from '../support/server.ts';
import { NODES, act, action, rules, type Action } from './actions.ts';
import type { Rules } from './state.ts';
import { World } from './world.ts';

/** ms that the suite gives to this test; SCHED_LUA_MODEL_MS asks for longer. */
const BUDGET_MS = Number(process.env.SCHED_LUA_MODEL_MS ?? 6_000);
/** ms that one run may take, on a busy machine. */
const FIRST_MS = 30_000;
/** `SCHED_LUA_MODEL_SHRINK=no`: a failure is enough, nobody reads it. */
const endOnFailure = process.env.SCHED_LUA_MODEL_SHRINK === 'no';
/** Of the one run that a failure named: it is done again by its seed and this. */
const PATH = process.env.SCHED_LUA_MODEL_PATH;
const SEED = Number(process.env.SCHED_LUA_SEED ?? Math.floor(Math.random() * 2 ** 31));

describe('any sequence of calls, resent at random, under any policy', () => {
  let client: Client;
  before(() => {
    client = openClient(redisUrl());
  });
  after(() => client.disconnect());

  it('answers and leaves behind what the design says, and ends each accepted request exactly once', async function () {
    this.timeout(FIRST_MS + BUDGET_MS + 60_000);
    console.log(
      `      model seed ${SEED} (replay with SCHED_LUA_SEED=${SEED}, a failure with SCHED_LUA_MODEL_PATH)`,
    );
    let steps = 0;
    let running: Promise<void> = Promise.resolve();
    const run = async (rule: Rules, nodes: number, actions: readonly Action[]): Promise<void> => {
      const topic = freshTopic();
      const world = new World(client, topic, rule);
      for (const node of NODES.slice(0, nodes)) world.begin(node);
      try {
        for (const one of actions) await act(world, one);
        await world.drain();
      } finally {
        steps += world.steps;
        await client.unlink(...SHARD_TABLES.map((table) => shardKey(topic, 0, table)));
      }
    };
    const property = fc.asyncProperty(
      rules,
      fc.integer({ min: 2, max: NODES.length }),
      fc.array(action, { minLength: 1, maxLength: 120, size: 'max' }),
      (rule, nodes, actions) => (running = run(rule, nodes, actions)),
    );
    const check = async (numRuns: number, limit: number): Promise<void> => {
      // a failure is made smaller only as long
      const limits = { interruptAfterTimeLimit: limit, markInterruptAsFailure: false };
      const replay = PATH === undefined ? {} : { path: PATH };
      const found = await fc.check(property, { seed: SEED, numRuns, endOnFailure, ...limits, ...replay });
      if (found.counterexample !== null)
        throw new Error(await fc.asyncDefaultReportMessage(found), { cause: found.errorInstance });
      // the time may have run out in the middle of a run
      await running;
    };
    // one on a busy machine, too; there none may follow, which is no failure
    await check(1, FIRST_MS);
    await check(1_000_000, BUDGET_MS);
    ok(steps > 0, 'none was run');
    console.log(`      ${steps} script calls compared`);
  });
});
