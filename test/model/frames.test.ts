import { openClient } from '../../src/redis/connection.ts';
import type { Client } from '../../src/redis/run-script.ts';
import { freshTopic, redisUrl } from '../support/server.ts';
import { FramesWorld } from './frames-world.ts';

/** ms that the suite gives to this test; SCHED_LUA_MODEL_MS asks for longer. */
const BUDGET_MS = Number(process.env.SCHED_LUA_MODEL_MS ?? 6_000);
const SEED = Number(process.env.SCHED_LUA_SEED ?? Math.floor(Math.random() * 2 ** 31));
const STEPS = 400;

describe('frames of runners by the rules, with calls doubled and late, and a Redis that loses data', () => {
  let client: Client;
  before(() => {
    client = openClient(redisUrl());
  });
  after(() => client.disconnect());

  it('are accepted just where the claims of their chunks were held', async function () {
    this.timeout(BUDGET_MS * 3 + 60_000);
    const until = performance.now() + BUDGET_MS;
    const sums: Record<string, number> = { runs: 0, steps: 0, delivered: 0 };
    for (let seed = SEED; seed === SEED || performance.now() < until; seed += 1) {
      const world = new FramesWorld(client, freshTopic(), seed);
      try {
        for (let step = 0; step < STEPS && !world.isOver; step += 1) await world.step();
      } catch (error) {
        throw new Error(`replay with SCHED_LUA_SEED=${seed}: ${(error as Error).message}`, { cause: error });
      } finally {
        await world.clear();
      }
      const more = { runs: 1, steps: world.steps, delivered: world.delivered, ...world.counts };
      for (const [name, count] of Object.entries(more)) sums[name] = (sums[name] ?? 0) + count;
    }
    console.log(`      ${JSON.stringify(sums)}`);
  });
});
