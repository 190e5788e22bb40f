/**
 * `npm run bench`: what a request costs from its put to its result in the owner's hands, by turns with a bare bound.
 * `npm run bench -- codec` measures the codecs. Progress goes to stderr, the figures to stdout.
 */
import { unless } from '../../src/base/clock.ts';
import { writeMeasurements } from '../lib/measure/write.ts';
import { findRedis } from '../lib/redis/find.ts';
import { runTool, type Open } from '../lib/tool/process.ts';
import { benchCodec, parseCodecOptions } from './codec.ts';
import { parseOptions, type Options } from './options.ts';
import { textOf } from './report.ts';
import { withBench } from './session.ts';
import { runSuite } from './suite.ts';

function log(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}

async function bench(options: Options, open: Open): Promise<boolean> {
  const server = await findRedis({ log });
  open.add(() => server.stop());
  log(server.description);
  const stop = new AbortController();
  const running = withBench(
    server,
    options.codec,
    (reason) => stop.abort(reason),
    (sides) => unless(stop.signal, runSuite(sides, server.kind, options, stop.signal, log)),
  );
  open.add(async () => {
    stop.abort(new Error('interrupted'));
    await running.catch(() => undefined);
  });
  const report = await running;
  process.stdout.write(`${options.json ? JSON.stringify(report) : textOf(report)}\n`);
  if (options.write) writeMeasurements('bench', textOf(report));
  return true;
}

if (process.argv[2] === 'codec') await runTool(parseCodecOptions, benchCodec);
else await runTool(parseOptions, bench);
