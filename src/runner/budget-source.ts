import type { Budget } from '../base/budget.ts';

/** An engine that says itself what it has room for, and when. */
export interface Engine {
  /** Its free room now, and, if it runs in iterations, when it begins with new work (`readyInMs`). */
  room(): Budget;
  /** Resolves when `room()` would admit something, at once if it does; may reject once the signal fired. */
  whenRoom(signal: AbortSignal): Promise<void>;
}

/**
 * The engine's free room, asked before every claim. A plain budget is the whole engine, and what runs is subtracted. A
 * function whose budget is full is asked again when a handler yields or ends, and every 100 ms.
 */
export type BudgetSource = Budget | (() => Budget) | Engine;

export function isEngine(source: unknown): source is Engine {
  return typeof source === 'object' && source !== null && 'room' in source && 'whenRoom' in source;
}
