/** The client of the demo: one stream, read as any client of OpenAI would, and judged at its end. */
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { monotonic } from '../../base/clock.ts';
import { counted } from '../../testing/counting/counting.ts';

interface Chunk {
  id?: string;
  error?: { message?: string };
  choices?: { delta?: { content?: string }; finish_reason?: string | null }[];
}

export class Client {
  readonly #tokens: string[] = [];
  readonly #ids = new Set<string>();
  readonly #finishes: string[] = [];
  #isDone = false;
  #error: string | undefined;
  #lastAt = monotonic();
  /** The longest time without a token, ms. */
  longestSilenceMs = 0;
  /** Told of each token. */
  onToken: (token: string) => void = () => undefined;

  get count(): number {
    return this.#tokens.length;
  }

  /** What is wrong with the stream; undefined: it is what one engine would have said without a failure. */
  wrong(asked: number): string | undefined {
    if (this.#error !== undefined) return `it ended with an error: ${this.#error}`;
    const right = counted(asked);
    const got = this.#tokens.join('');
    if (got !== right) return firstDifference(this.#tokens, asked);
    if (!this.#isDone) return 'it ended without [DONE]';
    if (this.#ids.size !== 1) return `it has ${this.#ids.size} ids`;
    if (this.#finishes.join() !== 'length') return `it finished ${this.#finishes.length} times`;
    return undefined;
  }

  /** Resolves when the stream has ended, however. */
  async run(url: string, model: string, asked: number, over: AbortSignal): Promise<void> {
    const messages = [{ role: 'user', content: 'Count!' }];
    const body = JSON.stringify({ model, stream: true, max_tokens: asked, messages });
    const headers = { 'content-type': 'application/json' };
    try {
      const asking = request(`${url}/v1/chat/completions`, {
        ...{ method: 'POST', headers, agent: false, signal: over },
      });
      asking.end(body);
      const [response] = (await once(asking, 'response')) as [IncomingMessage];
      if (response.statusCode !== 200) this.#error = `status ${response.statusCode}`;
      this.#lastAt = monotonic();
      let rest = '';
      response.setEncoding('utf8');
      for await (const part of response) {
        const lines = (rest + (part as string)).split('\n');
        rest = lines.pop()!;
        for (const line of lines) this.#line(line);
      }
    } catch (error) {
      this.#error ??= (error as Error).message;
    }
  }

  #line(line: string): void {
    if (!line.startsWith('data: ')) return;
    const data = line.slice(6);
    if (data === '[DONE]') {
      this.#isDone = true;
      return;
    }
    const { id, error, choices: [choice] = [] } = JSON.parse(data) as Chunk;
    if (error) this.#error = error.message ?? 'unknown';
    if (id !== undefined) this.#ids.add(id);
    if (choice?.finish_reason) this.#finishes.push(choice.finish_reason);
    const token = choice?.delta?.content;
    if (!token) return;
    this.longestSilenceMs = Math.max(this.longestSilenceMs, monotonic() - this.#lastAt);
    this.#lastAt = monotonic();
    this.#tokens.push(token);
    this.onToken(token);
  }
}

function firstDifference(tokens: readonly string[], asked: number): string {
  const at = tokens.findIndex((token, i) => token !== counted(1, i));
  if (at >= 0) return `token ${at + 1} is ${JSON.stringify(tokens[at])}`;
  return `it has ${tokens.length} tokens, not ${asked}`;
}
