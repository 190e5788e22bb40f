// Unit tests without Redis: an InProcessRedis stands in for it, and your schedulers share a topic in memory.
// Run it: npx tsx examples/test-without-redis.ts (it needs nothing else)

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { Scheduler, type ClaimedRequest } from 'sched-lua';
import { InProcessRedis } from 'sched-lua/testing';

interface Prompt {
  request_id: string;
  prompt_token_ids: number[];
}

const budget = {
  ...{ availableBlocks: 64, blockSize: 16, reservedOutputBlocks: 1, maxNumBatchedTokens: 1024, batch: 4 },
};

/** What is tested here: a front that answers with one text, and an engine that streams. Put yours in their place. */
async function answer(front: Scheduler<Prompt, string>, prompt: Prompt): Promise<string> {
  let text = '';
  for await (const { kind, output } of front.submit(prompt)) {
    if (kind === 'restart') text = ''; // another engine begins anew: what came before is void
    if (kind === 'chunk') text += `${output} `;
  }
  return text.trim();
}
async function* generate({ promptTokens }: ClaimedRequest<Prompt>) {
  for (let token = 1; token <= promptTokens; token += 1) yield `token${token}`;
}

let redis: InProcessRedis;
let front: Scheduler<Prompt, string>;

beforeEach(async () => {
  redis = new InProcessRedis(); // your code is given it where it would be given a URL
  front = await Scheduler.start({ redis, node: 'front' });
});
afterEach(() => redis.clear()); // kills what a test left

test('a request is answered', async () => {
  const engine = await Scheduler.start<Prompt, string>({ redis, node: 'engine' });
  void engine.run(generate, { budget });
  assert.equal(await answer(front, { request_id: 'r1', prompt_token_ids: [7, 8] }), 'token1 token2');
});

test('an engine dies in the middle, and another one begins anew', async () => {
  const engine = await Scheduler.start<Prompt, string>({ redis, node: 'engine' });
  const text = answer(front, { request_id: 'r1', prompt_token_ids: [7, 8, 9] });
  const [claimed] = await engine.getRequests(budget);
  await engine.putResults([{ claim: claimed!.claim, output: 'half' }]);
  redis.kill(engine);
  assert.equal(claimed!.signal.aborted, true);

  const spare = await Scheduler.start<Prompt, string>({ redis, node: 'spare' });
  void spare.run(generate, { budget });
  assert.equal(await text, 'token1 token2 token3');
});
