// Commands of a fleet as processes, and a client of their HTTP.
import { once } from 'node:events';
import { get, request, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { startCli } from '../cli/support.ts';
import { waitUntil } from '../support/server.ts';

export interface Started {
  child: ReturnType<typeof startCli>;
  /** All that it has said so far, to people and to programs. */
  said: () => string;
  /** Waits until it has said that, and gives what the group matched. */
  says: (pattern: RegExp) => Promise<string>;
  /** Resolves with exit code and signal. */
  gone: Promise<unknown[]>;
}

const START_MS = 60_000;

/** For every test of the suite that calls this: what it starts is killed after it. */
export function useCommands(url: () => string): (...args: string[]) => Started {
  const running: Started[] = [];
  afterEach(async () => {
    for (const { child, gone } of running.splice(0)) {
      child.kill('SIGKILL');
      await gone;
    }
  });
  return (...args) => {
    const child = startCli(args, url());
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (said += String(data)));
    const gone = once(child, 'exit');
    const says = async (pattern: RegExp): Promise<string> => {
      const isOver = (): boolean => child.exitCode !== null || child.signalCode !== null;
      await waitUntil(() => pattern.test(said) || isOver(), `it says ${pattern.source}`, START_MS);
      const found = pattern.exec(said);
      if (!found) throw new Error(`it ended without ${pattern.source}: ${said}`);
      return found[1] ?? found[0];
    };
    const started = { child, said: () => said, says, gone };
    running.push(started);
    return started;
  };
}

export async function page(
  address: string,
  path: string,
): Promise<{ status: number | undefined; body: string }> {
  const asked = get(`http://${address}${path}`, { agent: false });
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  return { status: response.statusCode, body: await text(response) };
}

/** A stream of the engine that counts. */
export class Stream {
  text = '';
  status: number | undefined;
  readonly ended: Promise<void>;

  /** @param more headers */
  constructor(address: string, maxTokens: number, more: Readonly<Record<string, string>> = {}) {
    this.ended = this.#read(address, maxTokens, more);
    this.ended.catch(() => undefined);
  }

  async #read(address: string, maxTokens: number, more: Readonly<Record<string, string>>): Promise<void> {
    const asked = request(`http://${address}/v1/chat/completions`, {
      ...{ method: 'POST', agent: false },
      headers: { 'content-type': 'application/json', ...more },
    });
    const messages = [{ role: 'user', content: 'go' }];
    asked.end(JSON.stringify({ model: 'counting', stream: true, messages, max_tokens: maxTokens }));
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    this.status = response.statusCode;
    for await (const part of response) this.text += String(part);
  }

  get content(): string {
    const events = this.text.split('\n').filter((line) => line.startsWith('data: {'));
    return events
      .map((line) => JSON.parse(line.slice(6)) as { choices?: { delta?: { content?: string } }[] })
      .map(({ choices }) => choices?.[0]?.delta?.content ?? '')
      .join('');
  }

  get isDone(): boolean {
    return this.text.endsWith('data: [DONE]\n\n');
  }

  says(content: string): Promise<void> {
    return waitUntil(() => this.content.startsWith(content), `${content} has come`, START_MS);
  }
}
