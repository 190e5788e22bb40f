/** How large a prompt is, without a tokenizer: by its bytes, and by the usage that engines told of earlier ones. */
import { ApiError } from './api-error.ts';

/** Tokens in a byte, before anything was learned. */
const RATIO = 1 / 4;
/** Nine of ten prompts are to be within the estimate. */
const QUANTILE = 0.9;
const STEP = 0.05;
const [LEAST, MOST] = [1 / 32, 2];
const MEDIA = new Set([
  'image_url',
  'input_image',
  'image',
  'video_url',
  'audio_url',
  'input_audio',
  'video',
]);
const REMOTE = /^\s*(https?|ftp|file):/i;

/** What a body has beside text. */
export interface Media {
  count: number;
  /** Of the strings that are media themselves, and no text. */
  bytes: number;
  isRemote: boolean;
}

/** Looks through a parsed body, however deep it is. */
export function mediaOf(values: object): Media {
  const media: Media = { count: 0, bytes: 0, isRemote: false };
  const left: { value: unknown; isMedia: boolean }[] = [{ value: values, isMedia: false }];
  for (let next = left.pop(); next; next = left.pop()) {
    const { value, isMedia } = next;
    if (typeof value === 'string') {
      const isData = value.startsWith('data:');
      if (!isMedia && !isData) continue;
      if (isMedia && REMOTE.test(value)) media.isRemote = true;
      if (isData || value.length > 1_024) media.bytes += value.length;
    } else if (typeof value === 'object' && value !== null) {
      const type = (value as { type?: unknown }).type;
      const isPart = typeof type === 'string' && MEDIA.has(type);
      if (isPart) media.count += 1;
      const entries = Array.isArray(value)
        ? value.map((one: unknown) => ['', one] as const)
        : Object.entries(value);
      for (const [name, one] of entries)
        if (typeof one === 'object' || typeof one === 'string')
          left.push({ value: one, isMedia: isMedia || isPart || MEDIA.has(name) });
    }
  }
  return media;
}

/** @throws ApiError remote_media */
export function refuseRemote({ isRemote }: Media): void {
  if (isRemote)
    throw new ApiError('remote_media', 'media by URL is not allowed here; send it as a data: URL');
}

/** Tokens of prompts, by the bytes of their bodies; one for each gateway. */
export class PromptSizes {
  readonly #ratios = new Map<string, number>();
  readonly #imageTokens: number;

  constructor(imageTokens: number) {
    this.#imageTokens = imageTokens;
  }

  estimate(model: string, bodyBytes: number, media: Media): number {
    const text = Math.max(0, bodyBytes - media.bytes);
    return Math.ceil(text * (this.#ratios.get(model) ?? RATIO)) + media.count * this.#imageTokens;
  }

  /** @param promptTokens as the engine counted them */
  learn(model: string, bodyBytes: number, media: Media, promptTokens: number): void {
    if (media.count > 0 || bodyBytes < 1 || !(promptTokens > 0)) return;
    const known = this.#ratios.get(model) ?? RATIO;
    const step = promptTokens / bodyBytes > known ? QUANTILE : QUANTILE - 1;
    this.#ratios.set(model, Math.min(MOST, Math.max(LEAST, known * (1 + STEP * step))));
  }
}
