/**
 * A tool as a process. Exit codes: 0 all was well; 1 it was not, or the tool could not run; 2 bad usage; 128 and the
 * signal's number (130 for Ctrl-C): interrupted.
 */
import { constants } from 'node:os';
import { print, reportOf, UsageError } from '../../../src/cli/output.ts';

/** What is open, and ends with the tool. */
export class Open {
  readonly #ends: (() => Promise<void> | void)[] = [];

  add(end: () => Promise<void> | void): void {
    this.#ends.push(end);
  }

  /** Last things first, each once. */
  async end(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end();
  }
}

/**
 * Runs a tool, and ends the process. A signal ends what is open; a second one does not wait for it.
 *
 * @param parse answers undefined if there is nothing to run, as after help
 * @param run answers whether all was well
 */
export async function runTool<Options>(
  parse: (args: readonly string[]) => Options | undefined,
  run: (options: Options, open: Open) => Promise<boolean>,
): Promise<void> {
  const args = process.argv.slice(2);
  const open = new Open();
  let interrupted = false;

  const interrupt = (signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP'): void => {
    const code = 128 + constants.signals[signal];
    if (interrupted) process.exit(code);
    interrupted = true;
    void open.end().finally(() => process.exit(code));
  };

  const exitCode = async (): Promise<number> => {
    try {
      const options = parse(args);
      if (options === undefined) return 0;
      const well = await run(options, open);
      await open.end();
      return well ? 0 : 1;
    } catch (error) {
      // the failures that an interrupt causes are none
      if (interrupted) return new Promise(() => undefined);
      await open.end();
      await print(reportOf(error), { json: args.includes('--json') });
      return error instanceof UsageError ? 2 : 1;
    }
  };

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt);
  // a reader that went away (`| head`) is no failure of ours
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  process.exitCode = await exitCode();
  process.stdout.write('', () => process.exit());
}
