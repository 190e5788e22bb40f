import type { Command } from 'commander';
import { REDIS_URL_VARIABLE } from '../../base/option-table.ts';
import { catchInterrupt } from '../interrupt.ts';
import { LINE, count, duration, oneLine, type Report, type Terminal } from '../output.ts';
import type { GlobalOptions } from '../session.ts';

interface Means {
  tell: (report: Report) => Promise<void>;
  options: () => GlobalOptions;
  terminal: Terminal;
}

export function addDemo(program: Command, means: Means): void {
  program
    .command('demo')
    .summary('see a stream survive the SIGKILL of its engine and its worker')
    .description(
      'Starts a gateway, two workers and two engines that count, on a private Redis (or the one that is named), and reads one ' +
        'stream. Its engine is killed with SIGKILL, and later its worker. Exit code 1 unless each token came once and in order.',
    )
    .action(() => demo(means));
  program.command('demo-engine <port> <ms>', { hidden: true }).action(engine);
}

async function demo({ tell, options, terminal }: Means): Promise<void> {
  const { url, json, quiet, user, tlsCa, tlsCert, tlsKey } = options();
  const { runDemo, TOKENS } = await import('../../fleet/demo/demo.ts');
  const isShown = !json && !quiet;
  const shown = new Shown((text) => {
    if (isShown) terminal.stdout.write(text);
  });
  const given = { user, 'tls-ca': tlsCa, 'tls-cert': tlsCert, 'tls-key': tlsKey };
  const flags = Object.entries(given).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, value],
  );
  const report = await runDemo({
    url: url ?? (terminal.env[REDIS_URL_VARIABLE] || undefined),
    ...{ env: terminal.env, flags },
    token: (token) => shown.token(token),
    tell: (line) => shown.line(oneLine(line)),
    log: (line) => {
      if (isShown) terminal.stderr.write(`${oneLine(line)}\n`);
    },
    stop: catchInterrupt(),
  });
  shown.end();
  if (!report) {
    await tell({ json: { interrupted: true }, text: '' });
    return;
  }
  const { tokens, exact, wrong, longestSilenceMs, ms } = report;
  const all = `${tokens} of ${count(TOKENS, 'token')} in ${duration(ms)}`;
  const silence = `the longest silence was ${duration(longestSilenceMs)}`;
  await tell({
    json: { ...report },
    text: exact
      ? `token-exact: ${all}, each once and in order; ${silence}`
      : `not token-exact: ${all}; ${silence}`,
    failure: exact ? undefined : { code: 'BROKEN', message: `the stream is not token-exact: ${wrong}` },
  });
}

/** Tokens as they come, in lines, and what happens between them. */
class Shown {
  readonly #write: (text: string) => void;
  #column = 0;

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  token(token: string): void {
    if (this.#column + token.length > LINE) this.end();
    this.#column += token.length;
    this.#write(token);
  }

  line(line: string): void {
    this.end();
    this.#write(`> ${line}\n`);
  }

  end(): void {
    if (this.#column > 0) this.#write('\n');
    this.#column = 0;
  }
}

/** An engine of the demo, until it is killed. */
async function engine(port: string, ms: string): Promise<void> {
  const { CountingEngine } = await import('../../testing/counting/engine.ts');
  const started = await new CountingEngine({ tokenMs: Number(ms) }).start(Number(port));
  process.stdout.write(`listens on port ${started.port}\n`);
  await new Promise(() => undefined);
}
