import { jsonCodec, type Codec } from '../../src/index.ts';

/** A request of the benchmark; its body is what the codec takes. */
export interface BenchRequest {
  id: string;
  tokens: number;
  body: unknown;
}

/**
 * `text`: the JSON was made beforehand and is not read, so that no work of a codec hides the scheduler's.
 * `json`: the library's default, made and read for every request.
 */
export type CodecName = 'text' | 'json';

/** Different prompts in one run. */
const PROMPTS = 64;
const VOCABULARY = 128_000;

const textCodec: Codec<unknown> = { encode: (text) => text as string, decode: (bytes) => bytes };

export function codecOf(name: CodecName): Codec<unknown> {
  return name === 'text' ? textCodec : jsonCodec();
}

/** Bodies of LLM requests with prompts of so many tokens, the same ones in every run. */
export function bodiesOf(tokens: number, codec: CodecName): unknown[] {
  let state = tokens;
  // Park and Miller's generator: it only has to vary the digits
  const token = (): number => (state = (state * 48_271) % 2_147_483_647) % VOCABULARY;
  return Array.from({ length: PROMPTS }, (_, i) => {
    const body = {
      request_id: idOf(i),
      prompt_token_ids: Array.from({ length: tokens }, token),
      sampling: { max_tokens: 512, temperature: 0.7, top_p: 0.95 },
    };
    return codec === 'text' ? JSON.stringify(body) : body;
  });
}

/** Mean bytes of these bodies in Redis. */
export function bytesOf(bodies: readonly unknown[], codec: CodecName): number {
  const bytes = bodies.reduce<number>((sum, body) => sum + codecOf(codec).encode(body).length, 0);
  return Math.round(bytes / bodies.length);
}

/** The output of every request, and its bytes in Redis. */
export function outputOf(codec: CodecName): { output: string; bytes: number } {
  const text = 'r'.repeat(126);
  return { output: codec === 'text' ? JSON.stringify(text) : text, bytes: text.length + 2 };
}

/** Ids as long as those that are made of a UUID. */
export function idOf(number: number): string {
  return `cmpl-${number.toString(16).padStart(32, '0')}`;
}
