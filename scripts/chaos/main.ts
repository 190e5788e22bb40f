/** `npm run chaos`: proves the promises under faults; exit code 1: one was broken, or the run could not be. */
import { messageOf } from '../../src/base/errors.ts';
import { writeMeasurements } from '../lib/measure/write.ts';
import { runTool } from '../lib/tool/process.ts';
import { parseOptions, type CommandLine } from './options.ts';
import { conclude, toJson } from './report.ts';
import { runChaos } from './run.ts';

async function chaos(options: CommandLine): Promise<boolean> {
  try {
    const outcome = await runChaos({ ...options, tell: (line) => void process.stderr.write(`${line}\n`) });
    (options.json ? process.stderr : process.stdout).write(`${conclude(outcome)}\n`);
    if (options.json) process.stdout.write(`${JSON.stringify(toJson(outcome))}\n`);
    const isKept = outcome.violations.length === 0;
    if (options.write && isKept) writeMeasurements('chaos', conclude(outcome));
    return isKept;
  } catch (error) {
    // who reads this looks for where it was
    process.stderr.write(`${error instanceof Error ? String(error.stack) : messageOf(error)}\n`);
    throw error;
  }
}

await runTool(parseOptions, chaos);
