/**
 * An inference engine as arithmetic: continuous batching with chunked prefill, in model time, without clock and timers.
 *
 * One iteration decodes one token of every sequence whose prompt is done. It also prefills up to a chunk of the other
 * prompts, first come first served; the end of a prompt yields the first token. An iteration takes 28 ms + 0.3 ms per
 * decoding sequence + 0.08 ms per prefill token: a fit to published A100/H100 measurements of a 70B model, tensor
 * parallel 8.
 */
import { fitsEngine, requiredBlocks } from '../../base/budget.ts';

/**
 * Size and speed of an emulated engine. Times are ms of model time.
 * @experimental
 */
export interface EngineOptions {
  /** KV-cache blocks of the engine. */
  totalBlocks: number;
  /** Tokens in a block. */
  blockSize: number;
  /** Blocks that each sequence holds for its output, in addition to those of its prompt. */
  reservedOutputBlocks: number;
  /** Most sequences at a time. */
  maxSequences: number;
  /** Most prompt tokens in one iteration. */
  prefillChunk: number;
  /** ms that every iteration takes, whatever is in it. */
  iterationMs: number;
  /** ms that each decoding sequence adds. */
  decodeMs: number;
  /** ms that each prefill token adds. */
  prefillMs: number;
}

/**
 * The default engine. Its 32,768 blocks are 524,288 tokens: 34 of the longest requests of the Azure conversation trace
 * (15,050 tokens) fit, and the longest output of that trace (1,000 tokens) fits the reserve.
 * @experimental
 */
export const DEFAULT_ENGINE: Readonly<EngineOptions> = {
  totalBlocks: 32_768,
  blockSize: 16,
  reservedOutputBlocks: 64,
  maxSequences: 34,
  prefillChunk: 2048,
  iterationMs: 28,
  decodeMs: 0.3,
  prefillMs: 0.08,
};

/** A request inside the engine. */
export interface Sequence {
  /** Unique among those in the engine. */
  id: number;
  promptTokens: number;
  /** At least 1. */
  outputTokens: number;
}

/** What an iteration brought. */
export interface Progress {
  /** Sequences that got their first token. */
  firstTokens: number[];
  /** Sequences that got their last token; they have left the engine. */
  finished: number[];
}

interface Running extends Sequence {
  blocks: number;
  /** Prompt tokens done. */
  prefilled: number;
  /** Output tokens done. */
  generated: number;
  /** In the iteration under way; those admitted meanwhile wait for the next. */
  scheduled: boolean;
  /** Prompt tokens in the iteration under way. */
  chunk: number;
}

export class EngineModel {
  readonly options: Readonly<EngineOptions>;
  readonly #running = new Map<number, Running>();
  #freeBlocks: number;

  constructor(options: Partial<EngineOptions> = {}) {
    this.options = { ...DEFAULT_ENGINE, ...options };
    requireOptions(this.options);
    this.#freeBlocks = this.options.totalBlocks;
  }

  /** Blocks that no sequence holds. */
  get freeBlocks(): number {
    return this.#freeBlocks;
  }

  /** How many more sequences may enter. */
  get freeSlots(): number {
    return this.options.maxSequences - this.#running.size;
  }

  /** Sequences in the engine. */
  get size(): number {
    return this.#running.size;
  }

  /** Prompt tokens that wait for a later iteration than the one under way. */
  get prefillBacklog(): number {
    let backlog = 0;
    for (const one of this.#running.values()) backlog += one.promptTokens - one.prefilled - one.chunk;
    return backlog;
  }

  /** Output tokens of a sequence so far; undefined if it is not in the engine. */
  generated(id: number): number | undefined {
    return this.#running.get(id)?.generated;
  }

  /** Whether a sequence takes part in the iteration under way. */
  isScheduled(id: number): boolean {
    return this.#running.get(id)?.scheduled ?? false;
  }

  /**
   * Takes a sequence, which holds its blocks until it is finished or aborted; false if there is no room now.
   * @throws RangeError if there will never be room, or the sequence makes no sense
   */
  admit(sequence: Sequence): boolean {
    this.requireFit(sequence);
    if (this.#running.has(sequence.id))
      throw new RangeError(`sequence ${sequence.id} is in the engine already`);
    const blocks = requiredBlocks(sequence.promptTokens, this.options);
    if (this.freeSlots < 1 || blocks > this.#freeBlocks) return false;
    this.#freeBlocks -= blocks;
    const { id, promptTokens, outputTokens } = sequence;
    this.#running.set(id, {
      id,
      promptTokens,
      outputTokens,
      blocks,
      prefilled: 0,
      generated: 0,
      scheduled: false,
      chunk: 0,
    });
    return true;
  }

  /** Throws a RangeError unless the empty engine could take the sequence. */
  requireFit({ promptTokens, outputTokens }: Pick<Sequence, 'promptTokens' | 'outputTokens'>): void {
    requireInteger('promptTokens', promptTokens, 0);
    requireInteger('outputTokens', outputTokens, 1);
    if (fitsEngine(promptTokens, this.options)) return;
    const { totalBlocks } = this.options;
    throw new RangeError(`a prompt of ${promptTokens} tokens never fits an engine of ${totalBlocks} blocks`);
  }

  /** Removes a sequence, also from the iteration under way, and frees its blocks; false if it is not there. */
  abort(id: number): boolean {
    const sequence = this.#running.get(id);
    if (!sequence) return false;
    this.#leave(sequence);
    return true;
  }

  /** Starts an iteration and returns the ms it takes; undefined if there is nothing to do. */
  begin(): number | undefined {
    if (this.#running.size === 0) return undefined;
    const { prefillChunk, iterationMs, decodeMs, prefillMs } = this.options;
    let decoding = 0;
    let prefill = 0;
    for (const one of this.#running.values()) {
      one.chunk = Math.min(one.promptTokens - one.prefilled, prefillChunk - prefill);
      prefill += one.chunk;
      const decodes = one.prefilled === one.promptTokens;
      if (decodes) decoding += 1;
      one.scheduled = decodes || one.chunk > 0;
    }
    return iterationMs + decodeMs * decoding + prefillMs * prefill;
  }

  /** Ends the iteration that was started last. */
  end(): Progress {
    const progress: Progress = { firstTokens: [], finished: [] };
    for (const one of this.#running.values()) {
      if (!one.scheduled) continue;
      one.scheduled = false;
      one.prefilled += one.chunk;
      one.chunk = 0;
      if (one.prefilled < one.promptTokens) continue;
      one.generated += 1;
      if (one.generated === 1) progress.firstTokens.push(one.id);
      if (one.generated < one.outputTokens) continue;
      progress.finished.push(one.id);
      this.#leave(one);
    }
    return progress;
  }

  /** One whole iteration; 0 ms if there is nothing to do. */
  iterate(): Progress & { durationMs: number } {
    const durationMs = this.begin() ?? 0;
    return { durationMs, ...this.end() };
  }

  #leave(sequence: Running): void {
    this.#running.delete(sequence.id);
    this.#freeBlocks += sequence.blocks;
  }
}

function requireOptions(options: EngineOptions): void {
  const least = { totalBlocks: 1, blockSize: 1, reservedOutputBlocks: 0, maxSequences: 1, prefillChunk: 1 };
  for (const [name, value] of Object.entries(least))
    requireInteger(name, options[name as keyof typeof least], value);
  for (const name of ['iterationMs', 'decodeMs', 'prefillMs'] as const) {
    const value = options[name];
    const above = name === 'iterationMs' ? value > 0 : value >= 0;
    if (!above || value === Infinity) throw new RangeError(`${name} is ${value}; it must be a number of ms`);
  }
}

function requireInteger(name: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw new RangeError(`${name} is ${value}; it must be an integer of at least ${least}`);
}
