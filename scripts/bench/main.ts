/**
 * `npm run bench`: what a request and a streamed chunk cost, and how long they take, by turns with other ways to do the same.
 * `npm run bench -- codec` measures the codecs, `npm run bench -- memory` the memory of waiting requests. Progress goes to stderr, the figures to stdout.
 */
import { writeFileSync } from 'node:fs';
import { writeMeasurements } from '../lib/measure/write.ts';
import { findRedis } from '../lib/redis/find.ts';
import { runTool, type Open } from '../lib/tool/process.ts';
import { complaintsOf, ratiosOf, readBaseline, writeBaseline } from './baseline.ts';
import { cellsOf } from './cells.ts';
import { benchCodec, parseCodecOptions } from './codec.ts';
import { benchMemory, parseMemoryOptions } from './memory.ts';
import { parseOptions, type Options } from './options.ts';
import { draw } from './picture.ts';
import { textOf } from './report.ts';
import { Suite } from './suite.ts';

/** So often cells are measured again that exceed their baseline. */
const AGAIN = 2;

function log(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}

async function bench(options: Options, open: Open): Promise<boolean> {
  const { check, baseline, slack, json, picture, quick, only } = options;
  // a bad one is told before an hour has passed
  const allowed = check ? readBaseline(baseline) : undefined;
  const server = await findRedis({ log });
  open.add(() => server.stop());
  log(server.description);
  const suite = new Suite(server, options, log);
  open.add(() => suite.end());
  const report = await suite.measure(cellsOf(options));
  const ratios = ratiosOf(report.cells);
  let complaints = allowed ? complaintsOf(ratios, allowed, slack) : [];
  // what a busy machine did to one measurement it seldom does to three
  for (let again = 0; allowed && complaints.length > 0 && again < AGAIN; again += 1) {
    const cells = cellsOf(options).filter(({ name }) =>
      complaints.some((one) => one.startsWith(`${name}: `)),
    );
    const { cells: measured } = await suite.measure(cells);
    complaints = complaintsOf(ratiosOf(measured), allowed, slack);
  }
  process.stdout.write(`${json ? JSON.stringify({ ...report, ratios, complaints }) : textOf(report)}\n`);
  for (const complaint of complaints) log(complaint);
  if (options.writeBaseline) writeBaseline(ratios, !only && !quick, baseline);
  if (picture !== undefined) writeFileSync(picture, draw(report.cells));
  if (options.write) writeMeasurements('bench', textOf(report));
  return complaints.length === 0;
}

if (process.argv[2] === 'codec') await runTool(parseCodecOptions, benchCodec);
else if (process.argv[2] === 'memory') await runTool(parseMemoryOptions, benchMemory);
else await runTool(parseOptions, bench);
