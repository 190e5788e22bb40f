/**
 * `npm run bench`: what a request costs from its put to its result in the owner's hands, by turns with a bare bound.
 * Progress goes to stderr, the figures to stdout. Exit codes: 0 fine; 1 it failed; 2 bad usage; 130 or 143 interrupted.
 */
import { constants } from 'node:os';
import { CommanderError } from 'commander';
import { messageOf } from '../../src/base/errors.ts';
import { createCommand, type Options } from './options.ts';
import { textOf, type Report } from './report.ts';
import { withBench } from './session.ts';
import { runSuite } from './suite.ts';
import { writeMeasurements } from '../lib/measure/write.ts';
import { findRedis } from '../lib/redis/find.ts';

class Interrupted extends Error {
  readonly exitCode: number;

  constructor(signal: NodeJS.Signals) {
    super('interrupted');
    this.exitCode = 128 + constants.signals[signal];
  }
}

function log(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}

async function bench(options: Options): Promise<Report> {
  const server = await findRedis({ log });
  const stop = new AbortController();
  // the second Ctrl-C does not wait for anything
  const onSignal = (signal: NodeJS.Signals): void => {
    const interrupted = new Interrupted(signal);
    if (stop.signal.aborted) process.exit(interrupted.exitCode);
    stop.abort(interrupted);
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  try {
    log(server.description);
    return await withBench(
      server,
      options.codec,
      (reason) => stop.abort(reason),
      (open) => {
        const aborted = new Promise<never>((_, reject) =>
          stop.signal.addEventListener('abort', () => reject(stop.signal.reason as Error)),
        );
        return Promise.race([runSuite(open, server.kind, options, stop.signal, log), aborted]);
      },
    );
  } finally {
    await server.stop();
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

async function main(args: readonly string[]): Promise<number> {
  const command = createCommand().exitOverride().showHelpAfterError('(--help lists the options)');
  try {
    const options = command.parse(args, { from: 'user' }).opts<Options>();
    const report = await bench(options);
    process.stdout.write(`${options.json ? JSON.stringify(report) : textOf(report)}\n`);
    if (options.write) writeMeasurements('bench', textOf(report), { args });
    return 0;
  } catch (error) {
    // it has said what was wrong
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    log(messageOf(error));
    return error instanceof Interrupted ? error.exitCode : 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
