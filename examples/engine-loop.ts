// An engine with a loop of its own. Before each iteration it claims what it has room for; after each it sends one token of
// every sequence. Run it: npx tsx examples/engine-loop.ts (Redis: SCHED_LUA_REDIS_URL, else localhost)

import { setTimeout as compute } from 'node:timers/promises';
import { Scheduler, SchedulerError, type Budget, type ClaimedRequest } from 'sched-lua';

interface Prompt {
  request_id: string;
  prompt_token_ids: number[];
  max_tokens: number;
}

const node = await Scheduler.start<Prompt, string>({ topic: 'engine-loop', node: 'engine' });
let running: { work: ClaimedRequest<Prompt>; tokens: number }[] = [];

/** What the engine has room for now: 4,096 KV-cache blocks of 16 tokens, and two sequences at a time. */
function room(): Budget {
  const engine = { blockSize: 16, reservedOutputBlocks: 16, maxNumBatchedTokens: 8192 };
  const used = running.map(({ work }) => Math.ceil(work.promptTokens / 16) + engine.reservedOutputBlocks);
  const availableBlocks = used.reduce((left, blocks) => left - blocks, 4096);
  return { ...engine, availableBlocks, batch: 2 - running.length };
}

async function serve(stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    // an idle engine waits for work; a busy one asks just before its iteration, and only if there is a reason to
    const waitMs = running.length === 0 ? 2000 : 0;
    const claimed = await node.getRequests(room(), { waitMs, signal: stop }).catch(redisIsAway);
    running.push(...claimed.map((work) => ({ work, tokens: 0 })));
    if (running.length === 0) continue;

    await compute(10); // the engine's iteration: one token of every sequence
    running = running.filter(({ work }) => !work.signal.aborted); // cancelled, expired, or the lease was lost
    const results = running.map((sequence) => {
      const tokens = (sequence.tokens += 1);
      const finished = tokens >= sequence.work.request.max_tokens;
      return { claim: sequence.work.claim, output: `token ${tokens}`, finished };
    });
    await node.putResults(results).catch(redisIsAway);
    running = running.filter((_, i) => !results[i]?.finished);
  }
}

/** Redis did not answer in time: claim nothing now. Results that were put are still sent when it is back. */
function redisIsAway(error: unknown): [] {
  if (error instanceof SchedulerError && error.code === 'TIMEOUT') return [];
  throw error;
}

async function ask(request_id: string, max_tokens: number): Promise<void> {
  for await (const { kind, output } of node.submit({ request_id, prompt_token_ids: [1, 2, 3], max_tokens })) {
    console.log(request_id, kind, output);
  }
}

const stop = new AbortController();
const served = serve(stop.signal);
await Promise.all([ask('r1', 3), ask('r2', 1), ask('r3', 2)]);
stop.abort();
await served;
await node.close();
