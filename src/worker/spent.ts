/**
 * The end of a stream whose engine died after the last token that its client allows, and before it said so: nothing is left
 * to generate, only the finish, the usage and `[DONE]` are missing.
 */
import { messageOf } from '../base/errors.ts';
import { Retry } from '../index.ts';
import { readObject, setMembers, splice, type JsonObject } from '../openai/json-object.ts';
import type { WireRequest } from '../openai/wire.ts';
import type { EngineClient } from './engine-client.ts';
import { objectOf, whole } from './kinds/kind.ts';
import { renamed, type ServedModel } from './request-body.ts';

/** How long the engine may take to read the prompt. */
const PROMPT_MS = 60_000;

/**
 * The events that are missing, as an engine would send them behind the emitted text.
 * @param tokens of the emitted text
 * @throws Retry if the engine must be asked for the tokens of the prompt, and does not answer
 */
export async function endOfSpent(
  { head, body }: WireRequest,
  model: ServedModel,
  engine: EngineClient,
  tokens: number,
): Promise<Buffer> {
  const isChat = head.route === '/v1/chat/completions';
  const object = readObject(renamed(body, model));
  const chunk = {
    id: head.id,
    object: isChat ? 'chat.completion.chunk' : 'text_completion',
    created: Math.floor(Date.now() / 1_000),
    model: head.model,
  };
  const said = isChat ? { delta: {} } : { text: '' };
  const choices = [{ index: 0, ...said, logprobs: null, finish_reason: 'length' }];
  const events: object[] = [{ ...chunk, choices }];
  if (wantsUsage(object)) {
    // as of any run that continues: the emitted text belongs to its prompt
    const prompt = (await promptTokens(head.route, object, engine)) + tokens;
    const usage = { prompt_tokens: prompt, completion_tokens: 0, total_tokens: prompt };
    events.push({ ...chunk, choices: [], usage });
  }
  return Buffer.from(
    `${events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')}data: [DONE]\n\n`,
  );
}

function wantsUsage({ values }: JsonObject): boolean {
  const { include_usage: isWanted } = (values.stream_options ?? {}) as { include_usage?: unknown };
  return isWanted === true;
}

/** Only the engine knows what its template makes of the messages, so it is asked for one token. */
async function promptTokens(route: string, object: JsonObject, engine: EngineClient): Promise<number> {
  const { places } = object;
  const limits = ['max_tokens', 'max_completion_tokens'].filter((name) => places.has(name));
  const one = Object.fromEntries(limits.map((name) => [name, '1']));
  const least = places.has('min_tokens') ? { min_tokens: '0' } : {};
  const body = splice(
    object.bytes,
    setMembers(object, { ...one, ...least, stream: 'false', stream_options: 'null' }),
  );
  try {
    const { status, text } = await engine.post(route, body, PROMPT_MS);
    const { usage } = objectOf(text) as { usage?: { prompt_tokens?: unknown } | null };
    const tokens = whole(usage?.prompt_tokens);
    if (tokens !== undefined) return tokens;
    throw new Error(`the engine answered ${status} without a usage`);
  } catch (error) {
    throw new Retry(messageOf(error), { elsewhere: true, countTry: true, cause: error });
  }
}
