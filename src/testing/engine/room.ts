import type { Budget } from '../../base/budget.ts';
import type { EngineModel } from './engine-model.ts';

/** Real ms that a claim takes at the most, on a busy machine: so long before its next iteration an engine asks for work. */
export const ASK_AHEAD_MS = 7;

/** What comes later, real ms before the end of an iteration, is left for others: it would miss the next one. */
export const LAST_CALL_MS = 1;

/**
 * What an engine can take now. `maxNumBatchedTokens` is what the next iteration could still prefill, and `batch` is 0
 * when that is nothing: work that would only wait here is better left in Redis, where any node can take it.
 */
export function roomOf(model: EngineModel): Budget {
  const { blockSize, reservedOutputBlocks, totalBlocks, prefillChunk } = model.options;
  const prefillTokens = Math.max(0, prefillChunk - model.prefillBacklog);
  return {
    availableBlocks: model.freeBlocks,
    blockSize,
    reservedOutputBlocks,
    totalBlocks,
    maxNumBatchedTokens: prefillTokens,
    batch: prefillTokens > 0 ? model.freeSlots : 0,
  };
}
