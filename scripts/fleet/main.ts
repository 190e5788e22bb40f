/**
 * `npm run fleet`: how long requests queue under each policy, against one ideal central queue. Exit codes: 0 done;
 * 1 a run could not be, or a request did not end once; 2 bad usage; 130 interrupted.
 */
import { writeFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { print, reportOf, UsageError } from '../../src/cli/output.ts';
import { findRedis } from '../redis/find.ts';
import { Experiment } from './experiment.ts';
import { parseOptions, type FleetOptions } from './options.ts';
import { draw } from './picture.ts';
import { openSource } from './plan.ts';
import { toTable } from './report.ts';
import { measurePing, roundTripsIn, scaleFor } from './scale.ts';
import { openScreen } from './screen.ts';

/** What has to be ended, last things first. */
const open: (() => Promise<void> | void)[] = [];
let ending = false;

async function endAll(): Promise<void> {
  for (const end of open.splice(0).reverse()) await end();
}

/** The first time in order, the second time at once. */
function interrupt(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP'): void {
  const code = 128 + constants.signals[signal];
  if (ending) process.exit(code);
  ending = true;
  void endAll().finally(() => process.exit(code));
}

async function fleet(options: FleetOptions): Promise<boolean> {
  const stream = options.json ? process.stderr : process.stdout;
  const say = (text: string): void => void stream.write(`${text}\n`);
  const source = await openSource(options.trace);
  const redis = await findRedis({ log: say });
  open.push(() => redis.stop());
  const pingMs = await measurePing(redis.url);
  const scale = options.scale ?? scaleFor(pingMs);
  say(
    `Redis: ${redis.description}. Time runs ${(1 / scale).toFixed(2)} times as fast as the engines', the scheduler's times ` +
      `with it; the round trip is ${pingMs.toFixed(3)} ms, and ${roundTripsIn(scale, pingMs).toFixed(0)} of them fit the ` +
      `shortest iteration.`,
  );
  const screen = openScreen(stream);
  open.push(() => screen.done());
  const experiment = new Experiment(options, source, redis.url, scale, screen);
  open.push(() => experiment.end());
  const runs = await experiment.go();
  await endAll();
  say(toTable(runs));
  if (options.picture !== undefined) await writeFile(options.picture, draw(runs));
  if (options.json) process.stdout.write(`${JSON.stringify({ pingMs, runs })}\n`);
  const unsound = runs.filter((run) => run.unsound > 0);
  for (const run of unsound)
    process.stderr.write(`${run.policy}: ${run.unsound} requests did not run once and end once\n`);
  return unsound.length === 0;
}

async function main(args: readonly string[]): Promise<number> {
  try {
    const options = parseOptions(args);
    if (!options) return 0;
    return (await fleet(options)) ? 0 : 1;
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
