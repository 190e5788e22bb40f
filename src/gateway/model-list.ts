/** `GET /v1/models`, in OpenAI's shape. */
import type { Model } from '../openai/registry.ts';
import type { Caller } from './keys.ts';
import { notFound } from './models.ts';

type Models = ReadonlyMap<string, Model>;
type Aliases = Readonly<Record<string, string>>;

/** The models, and the other names of those that are there, as far as this caller may use them. */
function visible(models: Models, aliases: Aliases, caller: Caller): Map<string, Model> {
  const named = Object.entries(aliases).flatMap(([alias, name]) => {
    const model = models.get(name);
    return model ? [[alias, model] as const] : [];
  });
  return new Map([...models, ...named].filter(([name]) => caller.mayUse(name)));
}

export function modelList(models: Models, aliases: Aliases, caller: Caller): Buffer {
  const data = [...visible(models, aliases, caller)].map(([name, model]) => entry(name, model));
  return Buffer.from(JSON.stringify({ object: 'list', data }));
}

/**
 * @param encoded the name as it stands in the path
 * @throws ApiError model_not_found
 */
export function oneModel(encoded: string, models: Models, aliases: Aliases, caller: Caller): Buffer {
  const name = decoded(encoded);
  const model = visible(models, aliases, caller).get(name);
  if (!model) throw notFound(name);
  return Buffer.from(JSON.stringify(entry(name, model)));
}

function decoded(encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return encoded;
  }
}

function entry(id: string, { maxModelLen }: Model): object {
  return {
    id,
    object: 'model',
    created: 0,
    owned_by: 'sched-lua',
    ...(maxModelLen ? { max_model_len: maxModelLen } : {}),
  };
}
