/**
 * `npm run fleet`: how long requests queue under each policy, against one ideal central queue. Exit code 1: a
 * run could not be, or a request did not end once.
 */
import { writeFile } from 'node:fs/promises';
import { writeMeasurements } from '../lib/measure/write.ts';
import { findRedis } from '../lib/redis/find.ts';
import { runTool, type Open } from '../lib/tool/process.ts';
import { Experiment } from './experiment.ts';
import { parseOptions, type FleetOptions } from './options.ts';
import { draw } from './picture.ts';
import { openSource } from './plan.ts';
import { toText } from './report.ts';
import { measurePing, roundTripsIn, scaleFor } from './scale.ts';
import { openScreen } from './screen.ts';

async function fleet(options: FleetOptions, open: Open): Promise<boolean> {
  const stream = options.json ? process.stderr : process.stdout;
  const say = (text: string): void => void stream.write(`${text}\n`);
  const source = await openSource(options.trace);
  const redis = await findRedis({ log: say });
  open.add(() => redis.stop());
  const pingMs = await measurePing(redis.url);
  const scale = options.scale ?? scaleFor(pingMs);
  const timing =
    `Time runs ${(1 / scale).toFixed(2)} times as fast as the engines', the scheduler's times ` +
    `with it; the round trip is ${pingMs.toFixed(3)} ms, and ${roundTripsIn(scale, pingMs).toFixed(0)} of them fit the ` +
    `shortest iteration.`;
  say(`Redis: ${redis.description}. ${timing}`);
  const screen = openScreen(stream);
  open.add(() => screen.done());
  const experiment = new Experiment(options, source, redis.url, scale, screen);
  open.add(() => experiment.end());
  const runs = await experiment.go();
  await open.end();
  say(toText(runs));
  if (options.picture !== undefined) await writeFile(options.picture, draw(runs));
  if (options.json) process.stdout.write(`${JSON.stringify({ pingMs, runs })}\n`);
  const unsound = runs.filter((run) => run.unsound > 0);
  for (const run of unsound)
    process.stderr.write(`${run.policy}: ${run.unsound} requests did not run once and end once\n`);
  if (options.write && unsound.length === 0)
    writeMeasurements('fleet', `${timing}\n\n${toText(runs)}`, { block: blockOf(options) });
  return unsound.length === 0;
}

/** Of docs/measurements.md. */
function blockOf({ fronts, large }: FleetOptions): string {
  if (fronts > 0) return 'fleet-fronts';
  return large === undefined ? 'fleet' : 'fleet-large';
}

await runTool(parseOptions, fleet);
