/** What differs between engines: where they say what they have room for, how they say it, and what they can. */

export const KIND_NAMES = ['openai', 'vllm', 'sglang', 'tgi', 'llamacpp', 'fastdeploy'] as const;

export type KindName = (typeof KIND_NAMES)[number];

/** What an endpoint says of itself, summed over the engines behind it. What it does not say is left out. */
export interface Reading {
  /** KV-cache blocks of all engines. */
  blocks?: number;
  /** Tokens in a block. */
  blockSize?: number;
  /** Requests that run at once. */
  slots?: number;
  /** Tokens of one request, prompt and output. */
  maxModelLen?: number;
  /** Blocks in use, whoever uses them. */
  usedBlocks?: number;
  /** Requests that run, whoever sent them. */
  running?: number;
  /** Requests that wait inside the engine. */
  waiting?: number;
}

/** The body of an answer with status 200; undefined: there was none. */
export type Page = string | undefined;

/** How an engine counts tokens, by POST /tokenize. */
export interface Tokenizer {
  body(model: string, text: string): object;
  /** undefined: this is not its answer. */
  count(answer: unknown): number | undefined;
}

export interface Kind {
  name: KindName;
  /** GET: 200 while the engine can serve. */
  health: string;
  /** GET: the pages that {@link Kind.read} reads, in its order. */
  pages: readonly string[];
  /** Never throws: what a page does not say as expected is not said. */
  read(pages: readonly Page[]): Reading;
  /** It continues emitted text (`continue_final_message`). */
  isResumable: boolean;
  tokenizer?: Tokenizer;
  /** Requests that run at once, where neither it nor its user says; undefined: its user must. */
  defaultSlots?: number;
  /** Tokens in a block, where neither it nor its user says. */
  defaultBlockSize: number;
}

/** A whole number of at least `least`, from a number or its text; anything else, such as "None", is undefined. */
export function whole(value: unknown, least = 0): number | undefined {
  const number = typeof value === 'string' && /^\d+(\.0+)?$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number)) return undefined;
  const rounded = Math.round(number);
  return Number.isSafeInteger(rounded) && rounded >= least ? rounded : undefined;
}

/** The reading without what is undefined. */
export function reading(said: { [Name in keyof Reading]: Reading[Name] | undefined }): Reading {
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
}

/** The object of a page of JSON; empty if it is none. */
export function objectOf(page: Page): Record<string, unknown> {
  const value = jsonOf(page);
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

/** undefined: it is no JSON. */
export function jsonOf(page: Page): unknown {
  if (page === undefined) return undefined;
  try {
    return JSON.parse(page);
  } catch {
    return undefined;
  }
}
