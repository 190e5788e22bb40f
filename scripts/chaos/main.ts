/**
 * `npm run chaos`: proves the promises under faults. Exit codes: 0 all were kept; 1 one was broken, or the run could
 * not be; 2 bad usage.
 */
import { messageOf } from '../../src/errors.ts';
import { parseOptions } from './options.ts';
import { conclude, toJson } from './report.ts';
import { runChaos } from './run.ts';

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  if (typeof options === 'number') return options;
  try {
    const outcome = await runChaos({ ...options, tell: (line) => void process.stderr.write(`${line}\n`) });
    process.stderr.write(`${conclude(outcome)}\n`);
    if (options.json) process.stdout.write(`${JSON.stringify(toJson(outcome))}\n`);
    return outcome.violations.length === 0 ? 0 : 1;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? String(error.stack) : messageOf(error)}\n`);
    return 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
process.stdout.write('', () => process.exit());
