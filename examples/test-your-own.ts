// A test suite of your own: a private Redis, an emulated engine in place of a GPU, and no sleeps.
// Run it: npx tsx examples/test-your-own.ts (it needs redis-server or valkey-server on PATH, or a container engine and
// the package testcontainers)

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { Scheduler, type ClaimedRequest } from 'sched-lua';
import { EmulatedEngine, startRedis, waitUntil, type PrivateRedis } from 'sched-lua/testing';

interface Prompt {
  request_id: string;
  prompt_token_ids: number[];
  max_tokens: number;
}

let redis: PrivateRedis;
let engine: EmulatedEngine;
let node: Scheduler<Prompt>;

before(async () => {
  redis = await startRedis();
});
after(() => redis.stop());

beforeEach(async () => {
  engine = new EmulatedEngine({ timeScale: 0.05 }); // twenty times as fast as a GPU
  node = await Scheduler.start({ redis: redis.url, topic: randomUUID() });
  void node.run(generate, { budget: engine });
});
afterEach(() => node.close({ pending: 'cancel' }));

/** What is tested here: a handler that leaves the engine when its request is cancelled. Put yours in its place. */
function generate({ request, promptTokens, signal }: ClaimedRequest<Prompt>) {
  return engine.run(promptTokens, request.max_tokens, { signal });
}

test('a request gets as many tokens as it asked for', async () => {
  const answer = node.submit({ request_id: 'r1', prompt_token_ids: [1, 2, 3], max_tokens: 40 });
  const tokens: unknown[] = [];
  for await (const { kind, output } of answer) tokens.push([kind, (output as { tokens: number }).tokens]);
  assert.deepEqual(tokens, [
    ['chunk', 1],
    ['chunk', 16],
    ['chunk', 32],
    ['finished', 40],
  ]);
});

test('a cancelled request leaves the engine', async () => {
  const empty = engine.room().availableBlocks;
  const answer = node.submit({ request_id: 'r1', prompt_token_ids: [1, 2, 3], max_tokens: 100_000 });
  await waitUntil(() => engine.room().availableBlocks < empty, 'the engine runs the request');
  await answer.cancel();
  await waitUntil(() => engine.room().availableBlocks === empty, 'the engine is empty again');
  await assert.rejects(answer.result(), { code: 'CANCELLED' });
});
