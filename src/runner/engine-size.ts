/**
 * How large a prompt this node's engine can ever hold (lua/README.md#what-does-not-fit). Its budget may say so. Else an engine
 * that runs nothing shows all that it has.
 */
import type { Budget, ClaimBounds } from '../base/budget.ts';
import { MAX_TOKENS } from '../base/ticket.ts';

/** Tokens of the largest prompt that an engine of this budget says that it can ever hold; MAX_TOKENS: it does not say. */
function saidBy({ totalBlocks, reservedOutputBlocks, blockSize, chunkedPrefill }: Budget): number {
  const isLongClosed = chunkedPrefill && chunkedPrefill.maxLongPartialPrefills < 1;
  const most = isLongClosed ? chunkedPrefill.longPrefillTokenThreshold : MAX_TOKENS;
  const held =
    totalBlocks === undefined ? MAX_TOKENS : Math.max(0, totalBlocks - reservedOutputBlocks) * blockSize;
  return Math.min(most, held);
}

export class EngineSize {
  /** What it had room for when it last asked for work. */
  room: ClaimBounds | undefined;
  /** Most tokens that one prompt was ever allowed. */
  #most = 0;
  #wasEmpty = false;
  #said = 0;

  /** Notes what the engine has room for now; whether that is more than it was taken to hold ever. */
  grows(room: ClaimBounds, isHolding: boolean): boolean {
    this.room = room;
    const { aloneTokens } = room;
    const grows = this.#wasEmpty && aloneTokens > this.#most;
    this.#most = Math.max(this.#most, aloneTokens);
    this.#wasEmpty ||= !isHolding;
    return grows;
  }

  /** Tokens of the largest prompt that the engine can ever hold, as far as is known. */
  largestPrompt(budget: Budget): number {
    const said = saidBy(budget);
    const isShown = budget.totalBlocks === undefined && this.#wasEmpty;
    return Math.min(said, isShown ? this.#most : MAX_TOKENS);
  }

  /** Of all budgets so far, as a node may have several engines; what none of them said is not known. */
  says(budget: Budget): number {
    this.#said = Math.max(this.#said, saidBy(budget));
    return this.#said;
  }
}
