/**
 * The body that an engine gets: the client's bytes, but for the name of the model and, of a resumed stream, what was
 * emitted.
 */
import { readObject, setMembers, splice } from '../openai/json-object.ts';
import { resumedBody } from '../openai/resume.ts';
import type { RequestHead, WireRequest } from '../openai/wire.ts';
import type { EngineClient } from './engine-client.ts';
import { jsonOf, type Kind } from './kinds/kind.ts';

/** A model of the fleet, and what the engine behind this worker calls it. */
export interface ServedModel {
  name: string;
  servedName: string;
  kind: Kind;
}

export interface EngineBody {
  /** undefined: nothing is left of the limit of a resumed stream, the engine has nothing to do. */
  bytes: Buffer | undefined;
  /** Of a resumed stream: tokens of the emitted text. */
  resumedTokens?: number;
}

/** How long counting the tokens of emitted text may take. */
const COUNT_MS = 5_000;

/** @throws BadJson for a body that must be changed and is no JSON object */
export async function bodyFor(
  { head, body }: WireRequest,
  model: ServedModel,
  engine: EngineClient,
): Promise<EngineBody> {
  const named = renamed(body, model);
  const { resume } = head;
  if (resume === undefined) return { bytes: named };
  const tokens = await tokensOf(resume, model, engine);
  return { bytes: resumedBody(head.route, named, resume, tokens), resumedTokens: tokens };
}

/**
 * The body with the engine's name of the model.
 * @throws BadJson
 */
export function renamed(body: Buffer, { name, servedName }: ServedModel): Buffer {
  if (name === servedName) return body;
  return splice(body, setMembers(readObject(body), { model: JSON.stringify(servedName) }));
}

/** Counted by the engine; where it cannot, about as many as there were events. */
async function tokensOf(
  { text, chunks }: NonNullable<RequestHead['resume']>,
  { kind: { tokenizer }, servedName }: ServedModel,
  engine: EngineClient,
): Promise<number> {
  if (text === '') return 0;
  if (tokenizer === undefined) return chunks;
  try {
    const question = Buffer.from(JSON.stringify(tokenizer.body(servedName, text)));
    const answer = await engine.post('/tokenize', question, COUNT_MS);
    return (answer.status === 200 ? tokenizer.count(jsonOf(answer.text)) : undefined) ?? chunks;
  } catch {
    // the request itself will say what is wrong with the engine
    return chunks;
  }
}
