/**
 * What a client has got of a stream that may be continued, and the events of the run that continues it: they look as if
 * the first run had gone on. The first run's events are passed on as they came, whole ones only, so that a cut never
 * leaves half of one.
 */
import type { Route } from '../openai/routes.ts';
import type { Resume } from '../openai/wire.ts';
import { EventCutter, dataOf } from './sse.ts';

export interface Usage {
  prompt_tokens?: number;
  completion_tokens?: number;
  total_tokens?: number;
}

interface Choice {
  index?: number;
  delta?: Record<string, unknown> | null;
  text?: unknown;
  logprobs?: unknown;
  finish_reason?: unknown;
}

interface Chunk {
  id?: unknown;
  created?: unknown;
  choices?: Choice[];
  usage?: Usage | null;
  error?: unknown;
}

const NONE = Buffer.alloc(0);
export const DONE = 'data: [DONE]\n\n';

export class StreamLog {
  readonly #isChat: boolean;
  readonly #wantsUsage: boolean;
  #cutter = new EventCutter();
  #first: Pick<Chunk, 'id' | 'created'> | undefined;
  /** Tokens of the text that this run continues; undefined: it is the first run. */
  #resumedTokens: number | undefined;
  #text = '';
  #chunks = 0;
  #isPlain = true;
  #isFinished = false;
  #isDone = false;
  #usage: Usage | undefined;

  /** @param wantsUsage the client asked for a chunk with the usage */
  constructor(route: Route, wantsUsage: boolean) {
    this.#isChat = route === '/v1/chat/completions';
    this.#wantsUsage = wantsUsage;
  }

  get usage(): Usage | undefined {
    return this.#usage;
  }

  /** All that the client was to get has been sent, but for `[DONE]`. */
  get isComplete(): boolean {
    return this.#isFinished && (!this.#wantsUsage || this.#usage !== undefined);
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  /** Only text was emitted, and the choice goes on. */
  get canResume(): boolean {
    return this.#isPlain && !this.#isFinished;
  }

  get resume(): Resume {
    return { text: this.#text, chunks: this.#chunks };
  }

  /** Another run continues: half an event of the one before is dropped, the client never got it. */
  continue(tokens: number | undefined): void {
    this.#cutter = new EventCutter();
    this.#resumedTokens = tokens ?? this.#chunks;
  }

  /** @returns what the client is to get now */
  pass(bytes: Buffer): Buffer {
    const events = this.#cutter.push(bytes).map((event) => this.#event(event));
    return events.length === 1 ? events[0]! : Buffer.concat(events);
  }

  /** The run ended by itself: what came after its last whole event. */
  end(): Buffer {
    const { rest } = this.#cutter;
    this.#cutter = new EventCutter();
    return this.#resumedTokens === undefined ? rest : NONE;
  }

  #event(event: Buffer): Buffer {
    const data = dataOf(event);
    if (data === undefined) return this.#resumedTokens === undefined ? event : NONE;
    if (data.trim() === '[DONE]') {
      this.#isDone = true;
      return event;
    }
    const chunk = parsed(data);
    if (chunk === undefined) {
      this.#isPlain = false;
      return event;
    }
    const isRepeated = this.#note(chunk);
    if (this.#resumedTokens === undefined) return event;
    return isRepeated ? NONE : this.#rewritten(chunk);
  }

  /** @returns it says nothing but who speaks, which a first run has said */
  #note(chunk: Chunk): boolean {
    const { id, created, choices = [], usage } = chunk;
    this.#first ??= { id, created };
    if (usage) this.#usage = usage;
    if (chunk.error !== undefined || choices.length > 1) this.#isPlain = false;
    const [choice] = choices;
    if (!choice) return false;
    if ((choice.index ?? 0) !== 0 || isThere(choice.logprobs)) this.#isPlain = false;
    if (isThere(choice.finish_reason)) this.#isFinished = true;
    const { role, content, ...others } = this.#isChat
      ? (choice.delta ?? {})
      : { role: undefined, content: choice.text };
    if (Object.values(others).some(isThere)) this.#isPlain = false;
    if (typeof content === 'string' && content !== '') {
      this.#text += content;
      this.#chunks += 1;
      return false;
    }
    return isThere(role) && !isThere(choice.finish_reason);
  }

  /** With the first run's id and time, without a second role, and with the usage of one run. */
  #rewritten(chunk: Chunk): Buffer {
    Object.assign(chunk, this.#first);
    for (const { delta } of chunk.choices ?? []) if (delta) delete delta.role;
    const { usage } = chunk;
    if (usage) {
      const moved = this.#resumedTokens!;
      if (typeof usage.prompt_tokens === 'number') usage.prompt_tokens -= moved;
      if (typeof usage.completion_tokens === 'number') usage.completion_tokens += moved;
    }
    return Buffer.from(`data: ${JSON.stringify(chunk)}\n\n`);
  }
}

function isThere(value: unknown): boolean {
  return (
    value !== undefined && value !== null && value !== '' && !(Array.isArray(value) && value.length === 0)
  );
}

function parsed(data: string): Chunk | undefined {
  try {
    const value: unknown = JSON.parse(data);
    if (typeof value !== 'object' || value === null) return undefined;
    const { choices } = value as { choices?: unknown };
    const isKnown =
      choices === undefined || (Array.isArray(choices) && choices.every((c) => typeof c === 'object' && c));
    return isKnown ? value : undefined;
  } catch {
    return undefined;
  }
}
