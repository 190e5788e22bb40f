/**
 * How large a prompt this node's engine can ever hold (lua/README.md#what-does-not-fit). Its budget may say so. Else an engine
 * that runs nothing shows all that it has.
 */
import type { Budget, ClaimBounds } from '../base/budget.ts';

const ANY_TOKENS = 2 ** 32 - 1;

export class EngineSize {
  /** Most tokens that one prompt was ever allowed. */
  #most = 0;
  #wasEmpty = false;

  /** Notes what the engine has room for now; whether that is more than it was taken to hold ever. */
  grows({ aloneTokens }: ClaimBounds, isHolding: boolean): boolean {
    const grows = this.#wasEmpty && aloneTokens > this.#most;
    this.#most = Math.max(this.#most, aloneTokens);
    this.#wasEmpty ||= !isHolding;
    return grows;
  }

  /** Tokens of the largest prompt that the engine can ever hold, as far as is known. */
  largestPrompt({ totalBlocks, reservedOutputBlocks, blockSize, chunkedPrefill }: Budget): number {
    const isLongClosed = chunkedPrefill && chunkedPrefill.maxLongPartialPrefills < 1;
    const most = isLongClosed ? chunkedPrefill.longPrefillTokenThreshold : ANY_TOKENS;
    if (totalBlocks !== undefined)
      return Math.min(most, Math.max(0, totalBlocks - reservedOutputBlocks) * blockSize);
    return Math.min(most, this.#wasEmpty ? this.#most : ANY_TOKENS);
  }
}
