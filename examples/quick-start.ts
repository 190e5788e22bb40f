// Two nodes of a fleet: `front` accepts a request, `engine` takes it, runs it and streams the answer back.
// Run it: npx tsx examples/quick-start.ts (Redis: SCHED_LUA_REDIS_URL, else localhost). The README shows the same code.

import { Scheduler } from 'sched-lua';

const front = await Scheduler.start({ node: 'front' }); // Redis: SCHED_LUA_REDIS_URL, else localhost
const engine = await Scheduler.start({ node: 'engine' });

const budget = {
  availableBlocks: 4096, // free KV-cache blocks of the engine
  blockSize: 16, // tokens in a block
  reservedOutputBlocks: 16, // blocks kept free for the output of each request
  maxNumBatchedTokens: 8192, // prompt tokens in one batch
  batch: 8, // requests at a time
};
const served = engine.run(
  async function* ({ promptTokens, owner }) {
    for (const word of ['to', 'be', 'or']) yield word; // chunks, in order, each once
    return `not (${promptTokens} prompt tokens, accepted by ${owner})`; // the final result
  },
  { budget },
);

const answer = front.submit({ request_id: 'r1', prompt_token_ids: [11, 22, 33] });
for await (const result of answer) console.log(result.kind, result.output);

await Promise.all([engine.close(), front.close(), served]);
