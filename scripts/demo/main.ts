/**
 * `npm run demo`: a fleet of LLM nodes on a real Redis, a crash halfway, and the proof that every promise was kept.
 * Exit code 1: one was broken, or the demo could not run.
 */
import { findRedis } from '../lib/redis/find.ts';
import { runTool, type Open } from '../lib/tool/process.ts';
import { parseOptions, type DemoOptions } from './options.ts';
import { makePlan } from './plan.ts';
import { conclude, introduce, toJson } from './report.ts';
import { LEASE_MS, Run } from './run.ts';
import { openScreen } from './screen.ts';

async function demo(options: DemoOptions, open: Open): Promise<boolean> {
  const stream = options.json ? process.stderr : process.stdout;
  const plan = await makePlan(options);
  const say = (text: string): void => void stream.write(`${text}\n`);
  const redis = await findRedis({ log: say });
  open.add(() => redis.stop());
  const screen = openScreen(stream);
  open.add(() => screen.done());
  const run = new Run(options, plan, redis.url, screen);
  open.add(() => run.end());
  say(introduce(options, plan, { redis: redis.description, topic: run.topic, leaseMs: LEASE_MS }));
  const outcome = await run.go();
  await open.end();
  say(conclude(outcome, plan, redis.kind === 'url'));
  if (options.json) {
    process.stdout.write(`${JSON.stringify(toJson(outcome, options, plan, redis.description))}\n`);
  }
  return outcome.broken.length === 0;
}

await runTool(parseOptions, demo);
