/** How an engine that counts says its tokens: in the events of a stream, or in one piece. */
import type { ServerResponse } from 'node:http';

export interface Body {
  model?: string;
  stream?: boolean;
  messages?: { content?: unknown }[];
  prompt?: string;
  max_tokens?: number;
  max_completion_tokens?: number;
  continue_final_message?: boolean;
  stream_options?: { include_usage?: boolean };
}

/** How it says a token, in a stream or in one piece. */
export class Speech {
  readonly #response: ServerResponse;
  readonly #body: Body;
  readonly #isChat: boolean;
  readonly #head: object;
  #prompt = 0;
  #text: string[] = [];

  constructor(response: ServerResponse, body: Body, isChat: boolean, model: string) {
    this.#response = response;
    this.#body = body;
    this.#isChat = isChat;
    const object = isChat ? `chat.completion${body.stream ? '.chunk' : ''}` : 'text_completion';
    this.#head = { id: `cmpl-${Math.random().toString(36).slice(2)}`, object, created: 1_700_000_000, model };
  }

  begin(promptTokens: number): void {
    this.#prompt = promptTokens;
    if (!this.#body.stream) return;
    this.#response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    if (this.#isChat) this.#event([this.#choice({ role: 'assistant', content: '' }, null)]);
  }

  say(token: string): void {
    this.#text.push(token);
    if (this.#body.stream) this.#event([this.#choice({ content: token }, null)]);
  }

  die(): void {
    this.#response.socket?.resetAndDestroy();
  }

  end(reason: string): void {
    const completion = this.#text.length;
    const usage = {
      prompt_tokens: this.#prompt,
      completion_tokens: completion,
      total_tokens: this.#prompt + completion,
    };
    if (this.#body.stream) {
      this.#event([this.#choice({}, reason)]);
      if (this.#body.stream_options?.include_usage) this.#event([], { usage });
      this.#response.end('data: [DONE]\n\n');
      return;
    }
    const content = this.#text.join('');
    const said = this.#isChat ? { message: { role: 'assistant', content } } : { text: content };
    const choices = [{ index: 0, ...said, logprobs: null, finish_reason: reason }];
    json(this.#response, 200, { ...this.#head, choices, usage });
  }

  #choice(delta: { role?: string; content?: string }, reason: string | null): object {
    const said = this.#isChat ? { delta } : { text: delta.content ?? '' };
    return { index: 0, ...said, logprobs: null, finish_reason: reason };
  }

  #event(choices: object[], more: object = {}): void {
    this.#response.write(`data: ${JSON.stringify({ ...this.#head, choices, ...more })}\n\n`);
  }
}

export function json(response: ServerResponse, status: number, value: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}
