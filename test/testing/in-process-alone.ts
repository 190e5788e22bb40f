import { Scheduler } from '../../src/index.ts';
import { InProcessRedis } from '../../src/testing/index.ts';
import { actAlone } from '../support/alone.ts';

interface Prompt {
  request_id: string;
  prompt_token_ids: unknown[];
}

const BUDGET = {
  ...{ availableBlocks: 100, blockSize: 16, reservedOutputBlocks: 1, maxNumBatchedTokens: 1000, batch: 4 },
};

/** One node serves, one waits for work, one was killed; requests wait, run and have ended. */
async function begin(): Promise<Scheduler<Prompt>[]> {
  const redis = new InProcessRedis();
  const front = await Scheduler.start<Prompt>({ redis, node: 'front' });
  const worker = await Scheduler.start<Prompt>({ redis, node: 'worker' });
  const idle = await Scheduler.start<Prompt>({ redis, node: 'idle' });
  void worker.run(({ id }) => (id === 'first' ? id : new Promise(() => undefined)), { budget: BUDGET });
  void idle.getRequests({ ...BUDGET, availableBlocks: 2 }, { waitMs: 60_000 }).catch(() => undefined);
  const ids = ['first', 'second', 'third', 'fourth', 'fifth', 'sixth'];
  const requests = ids.map((id) => ({ request_id: id, prompt_token_ids: Array.from({ length: 100 }) }));
  const answers = requests.map((request) => front.submit(request, { deadlineMs: 60_000 }));
  for (const answer of answers) answer.result().catch(() => undefined);
  await answers[0]!.result();
  const dead = await Scheduler.start<Prompt>({ redis, node: 'dead' });
  void dead.run(() => new Promise(() => undefined), { budget: BUDGET }).catch(() => undefined);
  redis.kill(dead);
  return [front, worker, idle];
}

async function closed(): Promise<void> {
  await Promise.all((await begin()).map((node) => node.close({ drainMs: 0 })));
}

/** What it leaves open shows that the check sees it. */
async function open(): Promise<void> {
  await begin();
}

actAlone({ closed, open });
