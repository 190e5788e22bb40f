import type { Budget } from '../../base/budget.ts';
import type { EngineModel } from './engine-model.ts';

/** An engine asks for work this many real ms before its next iteration: the most that a claim took on a busy machine. */
export const ASK_AHEAD_MS = 7;

/** Work that comes later than this many real ms before the next iteration is left to other nodes: it would miss it. */
export const LAST_CALL_MS = 1;

/**
 * What an engine can take now. `maxNumBatchedTokens` is how many tokens the next iteration can still prefill. If there
 * are none, `batch` is 0: work that would only wait here is better left in Redis, where any node can take it.
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
