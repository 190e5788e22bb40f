/** What answers at the engine's URL: its kind, and the models that it lists. Waits for an engine that still starts. */
import { backoff, sleep } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { EngineClient } from './engine-client.ts';
import { KINDS, TELLING_PAGES, kindOf } from './kinds/kinds.ts';
import { objectOf, whole, type Kind } from './kinds/kind.ts';
import type { SettledOptions, WorkerModel } from './options.ts';
import { pagesOf } from './probe.ts';

const MODELS = '/v1/models';
const ANSWER_MS = 5_000;

/** A model that an engine lists. */
interface Listed {
  id: string;
  maxModelLen?: number;
}

export interface FoundModel extends Required<WorkerModel> {
  maxModelLen?: number;
}

export interface Found {
  kind: Kind;
  models: FoundModel[];
}

/**
 * Asks until the engine answers.
 * @throws the signal's reason
 */
export async function discover(
  engine: EngineClient,
  { kind, models, onWarning }: Pick<SettledOptions, 'kind' | 'models' | 'onWarning'>,
  signal: AbortSignal,
): Promise<Found> {
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      const listed = await listOf(engine);
      const found = kind === 'auto' ? kindOf(await pagesOf(engine, TELLING_PAGES, ANSWER_MS)) : KINDS[kind];
      const served = models.length > 0 ? models : listed.map(({ id }): WorkerModel => ({ name: id }));
      if (served.length === 0) throw new Error('it lists no model; name one with --model');
      return { kind: found, models: served.map((model) => withLength(model, listed)) };
    } catch (error) {
      if (attempt === 1) onWarning(`waiting for the engine at ${engine.url}: ${messageOf(error)}`);
      await sleep(backoff(attempt), signal);
    }
  }
}

async function listOf(engine: EngineClient): Promise<Listed[]> {
  const { status, text } = await engine.get(MODELS, ANSWER_MS);
  if (status !== 200) throw new Error(`${MODELS} answers ${status}`);
  const { data } = objectOf(text);
  if (!Array.isArray(data)) throw new Error(`${MODELS} answers no list of models`);
  return (data as ({ id?: unknown; max_model_len?: unknown } | null)[]).flatMap((model) => {
    if (typeof model?.id !== 'string') return [];
    const maxModelLen = whole(model.max_model_len, 1);
    return [{ id: model.id, ...(maxModelLen === undefined ? {} : { maxModelLen }) }];
  });
}

function withLength({ name, servedName = name }: WorkerModel, listed: readonly Listed[]): FoundModel {
  const { maxModelLen } = listed.find(({ id }) => id === servedName) ?? {};
  return { name, servedName, ...(maxModelLen === undefined ? {} : { maxModelLen }) };
}
