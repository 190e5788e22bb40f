/** The command `sched-lua`: its global options, its commands, and how each ends; exit codes are in `EXIT`. */
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { ConfigError } from '../base/errors.ts';
import { DEFAULT_REDIS_URL } from '../base/option-table.ts';
import { addAcl } from './commands/acl.ts';
import { addDead } from './commands/dead.ts';
import { addDemo } from './commands/demo.ts';
import { addDoctor } from './commands/doctor.ts';
import { addGateway } from './commands/gateway.ts';
import { addLoad } from './commands/load.ts';
import { addMetrics } from './commands/metrics.ts';
import { addModels } from './commands/models.ts';
import { addNode } from './commands/node.ts';
import { addStatus } from './commands/status.ts';
import { addTop } from './commands/top.ts';
import { addTopics } from './commands/topics.ts';
import { addVerify } from './commands/verify.ts';
import { addWorker } from './commands/worker.ts';
import { interruptedCode } from './interrupt.ts';
import { EXIT, print, reportOf, UsageError, type Report, type Terminal } from './output.ts';
import { withRedis, type GlobalOptions, type Run } from './session.ts';
import { VARIABLES } from './target.ts';
import { VERSION } from './version.ts';

const MAX_TIMEOUT_MS = 3_600_000;

function createProgram(terminal: Terminal, end: (code: number) => void): Command {
  const program = new Command('sched-lua')
    .description('Looks after the Redis of a sched-lua fleet.')
    .version(VERSION)
    .option('--url <url>', `Redis to use (default: ${VARIABLES.url}, else ${DEFAULT_REDIS_URL})`)
    .option('--user <name>', `Redis user (default: of the URL, else ${VARIABLES.user})`)
    .option('--tls-ca <file>', `CA of a rediss:// server (default: ${VARIABLES.tlsCa})`)
    .option('--tls-cert <file>', `certificate of this client (default: ${VARIABLES.tlsCert})`)
    .option('--tls-key <file>', `its key (default: ${VARIABLES.tlsKey})`)
    .option(
      '--timeout <ms>',
      'how long Redis may take to answer; of dead retry, if it is given, the requests, too',
      milliseconds,
      5000,
    )
    .option('--json', 'print one JSON object')
    .option('--quiet', 'print nothing but errors')
    .helpOption('-h, --help', 'show this help')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => void terminal.stdout.write(text),
      writeErr: () => undefined,
    })
    .exitOverride()
    .addHelpText(
      'after',
      `\nA password belongs into ${VARIABLES.password} or ${VARIABLES.url}: arguments can be seen by others.\n` +
        'Exit codes: 0 fine; 1 missing, broken or no answer; 2 bad usage, and of doctor: broken; 130 interrupted.',
    );
  const run: Run = async (command) => {
    const isTimeoutGiven = program.getOptionValueSource('timeout') === 'cli';
    const options = { ...program.opts<GlobalOptions>(), isTimeoutGiven };
    const report = await withRedis(options, terminal, command);
    if (report) await print(report, options, terminal);
    end(interruptedCode() ?? (report?.failure ? (report.failure.exit ?? EXIT.failed) : EXIT.fine));
  };
  const tell = async (report: Report): Promise<void> => {
    await print(report, program.opts<GlobalOptions>(), terminal);
    end(interruptedCode() ?? (report.failure ? EXIT.failed : EXIT.fine));
  };
  addLoad(program, run);
  addStatus(program, run);
  addTop(program, run);
  addTopics(program, run);
  addVerify(program, run);
  addDead(program, run);
  addDoctor(program, run);
  addMetrics(program, run);
  const means = { run, tell, env: terminal.env };
  addGateway(program, means);
  addWorker(program, means);
  addNode(program, means);
  addModels(program, means);
  addDemo(program, { tell, options: () => program.opts<GlobalOptions>(), terminal });
  addAcl(program, tell);
  return program;
}

function milliseconds(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= MAX_TIMEOUT_MS) return value;
  throw new InvalidArgumentError(`Allowed is an integer from 1 to ${MAX_TIMEOUT_MS}.`);
}

/** The same error, as a UsageError if it is about what the user gave. */
function asUsage(error: unknown): unknown {
  if (error instanceof ConfigError) return new UsageError(error.message);
  if (!(error instanceof CommanderError)) return error;
  if (error.code === 'commander.help') return new UsageError('no command given');
  const [, message, suggestion] = /^(?:error: )?([^]*?)(?:\n\(Did (you mean [^\n]*)\))?$/.exec(
    error.message,
  )!;
  return new UsageError(message!, suggestion && `did ${suggestion}`);
}

/**
 * Runs `sched-lua <args>`, writes what it says to the terminal, and never rejects.
 * @returns its exit code
 */
export async function runProgram(args: readonly string[], terminal: Terminal): Promise<number> {
  let code: number = EXIT.fine;
  const program = createProgram(terminal, (ended) => (code = ended));
  try {
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.fine;
    const reason = asUsage(error);
    // looked for here, because parsing may have failed before it came to these options
    const has = (option: string): boolean => args.includes(option);
    await print(reportOf(reason), { json: has('--json'), quiet: has('--quiet') }, terminal);
    return reason instanceof UsageError ? EXIT.usage : (interruptedCode() ?? EXIT.failed);
  }
}
