/**
 * Streams that may be continued by another engine, and the body that continues one. The emitted text becomes an assistant
 * message which the engine is told to continue, so that no token comes twice and none is missing.
 */
import { readObject, setMembers, splice, type Edit, type JsonObject } from './json-object.ts';
import type { Route } from './routes.ts';
import type { Resume } from './wire.ts';

/** What makes the output more than plain text that can be continued; a member that is absent or null is fine. */
const NOT_RESUMABLE = [
  'logprobs',
  'top_logprobs',
  'echo',
  'suffix',
  'stop',
  'prompt_logprobs',
  'continue_final_message',
  'add_generation_prompt',
  'return_tokens_as_token_ids',
  'structured_outputs',
  'grammar',
  'best_of',
  'use_beam_search',
];
const GUIDED = /^(guided_|json_schema$|regex$|ebnf$)/;
/** What limits the output, the first that is there. */
const LIMITS = ['max_completion_tokens', 'max_tokens'] as const;

/** Whether a request is one whose stream may be continued, if its engine can. */
export function isResumable(route: Route, { values, places }: JsonObject): boolean {
  if (values.stream !== true || (values.n ?? 1) !== 1) return false;
  const names = [...places.keys()];
  const isPlain = names.every(
    (name) => isOff(values[name]) || !(NOT_RESUMABLE.includes(name) || GUIDED.test(name)),
  );
  if (!isPlain || !isPlainText(values.response_format)) return false;
  // without a limit the engine has one of its own, of which the rest is not known
  if (route === '/v1/completions')
    return typeof values.prompt === 'string' && typeof values.max_tokens === 'number';
  if (route !== '/v1/chat/completions') return false;
  const { messages } = values;
  const last: unknown = Array.isArray(messages) ? messages.at(-1) : undefined;
  return typeof last === 'object' && last !== null && (last as { role?: unknown }).role !== 'assistant';
}

/** `{"type":"text"}` is what an engine does without a format. */
function isPlainText(format: unknown): boolean {
  return isOff(format) || (format as { type?: unknown }).type === 'text';
}

function isOff(value: unknown): boolean {
  return (
    value === undefined || value === null || value === false || (Array.isArray(value) && value.length === 0)
  );
}

/** The most tokens of output that a body allows; undefined: it does not say. */
export function outputLimit({ values }: Pick<JsonObject, 'values'>): number | undefined {
  const limit = LIMITS.map((name) => values[name]).find((value) => value !== undefined && value !== null);
  return Number.isSafeInteger(limit) && (limit as number) >= 0 ? (limit as number) : undefined;
}

/**
 * The body for the engine that continues: the emitted text as the last message (or the end of the prompt), and what is
 * left of the limit. Every other byte is as it was.
 *
 * @param tokens of the emitted text, counted by the engine's tokenizer
 * @returns undefined: nothing is left of the limit, the stream is over
 */
export function resumedBody(
  route: Route,
  body: Buffer,
  { text }: Pick<Resume, 'text'>,
  tokens: number,
): Buffer | undefined {
  const object = readObject(body);
  const { values } = object;
  const set: Record<string, string> = {};
  for (const name of LIMITS) {
    const limit = values[name];
    if (typeof limit !== 'number') continue;
    if (limit <= tokens) return undefined;
    set[name] = String(limit - tokens);
  }
  if (typeof values.min_tokens === 'number') set.min_tokens = String(Math.max(0, values.min_tokens - tokens));
  if (route === '/v1/chat/completions') {
    set.continue_final_message = 'true';
    set.add_generation_prompt = 'false';
  }
  return splice(body, [...setMembers(object, set), continued(route, object, text)]);
}

function continued(route: Route, { places, values }: JsonObject, text: string): Edit {
  // before the quote, or the bracket, that ends it
  const end = places.get(route === '/v1/completions' ? 'prompt' : 'messages')!.to - 1;
  if (route === '/v1/completions') return { from: end, to: end, text: JSON.stringify(text).slice(1, -1) };
  const message = JSON.stringify({ role: 'assistant', content: text });
  const isEmpty = (values.messages as unknown[]).length === 0;
  return { from: end, to: end, text: isEmpty ? message : `,${message}` };
}
