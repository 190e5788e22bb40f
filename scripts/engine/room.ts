import type { Budget } from '../../src/budget.ts';
import type { EngineModel } from './engine-model.ts';

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
