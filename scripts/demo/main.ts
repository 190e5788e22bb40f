/**
 * `npm run demo`: a fleet of LLM nodes on a real Redis, a crash halfway, and the proof that every promise was kept.
 * Exit codes: 0 they were; 1 one was broken, or the demo could not run; 2 bad usage; 130 interrupted.
 */
import { constants } from 'node:os';
import { print, reportOf, UsageError } from '../../src/cli/output.ts';
import { findRedis } from '../redis/find.ts';
import { parseOptions, type DemoOptions } from './options.ts';
import { makePlan } from './plan.ts';
import { conclude, introduce, toJson } from './report.ts';
import { LEASE_MS, Run } from './run.ts';
import { openScreen } from './screen.ts';

/** What has to be ended, last things first. */
const open: (() => Promise<void>)[] = [];
let ending = false;

async function endAll(): Promise<void> {
  for (const end of open.splice(0).reverse()) await end();
}

/** The first time in order, the second time at once: what is ours ends with the process in any case. */
function interrupt(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP'): void {
  const code = 128 + constants.signals[signal];
  if (ending) process.exit(code);
  ending = true;
  void endAll().finally(() => process.exit(code));
}

async function demo(options: DemoOptions): Promise<boolean> {
  const stream = options.json ? process.stderr : process.stdout;
  const plan = await makePlan(options);
  const say = (text: string): void => void stream.write(`${text}\n`);
  const redis = await findRedis({ log: say });
  open.push(() => redis.stop());
  const screen = openScreen(stream);
  open.push(() => {
    screen.done();
    return Promise.resolve();
  });
  const run = new Run(options, plan, redis.url, screen);
  open.push(() => run.end());
  say(introduce(options, plan, { redis: redis.description, topic: run.topic, leaseMs: LEASE_MS }));
  const outcome = await run.go();
  await endAll();
  say(conclude(outcome, plan, redis.kind === 'url'));
  if (options.json) {
    process.stdout.write(`${JSON.stringify(toJson(outcome, options, plan, redis.description))}\n`);
  }
  return outcome.broken.length === 0;
}

async function main(args: readonly string[]): Promise<number> {
  try {
    const options = parseOptions(args);
    if (!options) return 0;
    return (await demo(options)) ? 0 : 1;
  } catch (error) {
    // the failures that an interrupt causes are none
    if (ending) return new Promise(() => undefined);
    await endAll();
    await print(reportOf(error), { json: args.includes('--json') });
    return error instanceof UsageError ? 2 : 1;
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt);
// a reader that went away (`| head`) is no failure of ours
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
process.exitCode = await main(process.argv.slice(2));
process.stdout.write('', () => process.exit());
