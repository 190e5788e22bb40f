/**
 * What an engine has room for, and how much of a queue fits in (lua/README.md#budget). Pure.
 *
 * The rules are those of FastDeploy's `GlobalScheduler.get_requests`, with two changes. A prompt that is first in line is
 * admitted even if it alone exceeds `maxNumBatchedTokens`; FastDeploy refuses it for ever. And a prompt that the engine can
 * never hold is told from one that it has no room for now ({@link fitsEngine}).
 */
import { checkFields, namesOf } from './call-options.ts';
import { ConfigError } from './errors.ts';

/** What an engine can take now. Counts are whole and not negative; a block is a KV-cache block. */
export interface Budget {
  /** Free blocks. Nothing is claimed while this is not more than `reservedOutputBlocks`. */
  availableBlocks: number;
  /** Tokens in one block, at least 1. */
  blockSize: number;
  /** Blocks set aside for the output of each request. */
  reservedOutputBlocks: number;
  /**
   * Most prompt tokens in one batch. A prompt that is alone in its batch may exceed it, even if it is 0. Ignored with
   * `chunkedPrefill`, as in FastDeploy.
   */
  maxNumBatchedTokens: number;
  /** Most requests in one batch; 0: claim nothing now. */
  batch: number;
  /**
   * Blocks of the whole engine, at least `availableBlocks`. When every living engine of the topic gives them, a request that
   * fits none of them is refused at its put. Of a plain budget given to `run`, its `availableBlocks` are the whole engine.
   */
  totalBlocks?: number | undefined;
  /** Limits in requests, instead of `maxNumBatchedTokens`, when the engine splits prompts into chunks. */
  chunkedPrefill?: ChunkedPrefill | undefined;
  /**
   * ms until the engine can begin with new work: the rest of its iteration, less a few ms for the round trip of the claim.
   * Nothing is claimed before: it would wait in this engine, while a peer that can begin sooner could no longer take it.
   * Default 0.
   */
  readyInMs?: number | undefined;
}

/** How many prompts an engine with chunked prefill takes in one batch. */
export interface ChunkedPrefill {
  /** Most requests in one batch, long and short. */
  maxPartialPrefills: number;
  /** Most long ones among them; 0 refuses every long prompt. */
  maxLongPartialPrefills: number;
  /** A prompt of more tokens than this is long. */
  longPrefillTokenThreshold: number;
}

/** What a claim may ask Redis for. Each is an integer in 0..2^32-1, the range of a ticket's token field. */
export interface ClaimBounds {
  /** Most requests. 0: ask Redis nothing. */
  limit: number;
  /** Most prompt tokens of a request that is the only one of its claim. */
  aloneTokens: number;
  /** Most prompt tokens of two or more requests together. */
  sumTokens: number;
}

const MAX_UINT32 = 2 ** 32 - 1;

const FIELDS = namesOf<Budget>({
  availableBlocks: true,
  blockSize: true,
  reservedOutputBlocks: true,
  maxNumBatchedTokens: true,
  batch: true,
  totalBlocks: true,
  chunkedPrefill: true,
  readyInMs: true,
});
const CHUNKED_FIELDS = namesOf<ChunkedPrefill>({
  maxPartialPrefills: true,
  maxLongPartialPrefills: true,
  longPrefillTokenThreshold: true,
});

/** Blocks that a prompt of `promptTokens` tokens takes, those of its output included. */
export function requiredBlocks(
  promptTokens: number,
  budget: Pick<Budget, 'blockSize' | 'reservedOutputBlocks'>,
): number {
  return Math.ceil(promptTokens / budget.blockSize) + budget.reservedOutputBlocks;
}

/** Whether an empty engine could take a prompt of `promptTokens` tokens; always true if `totalBlocks` is not known. */
export function fitsEngine(
  promptTokens: number,
  engine: Pick<Budget, 'totalBlocks' | 'blockSize' | 'reservedOutputBlocks'>,
): boolean {
  const { totalBlocks, reservedOutputBlocks } = engine;
  if (totalBlocks === undefined) return true;
  return totalBlocks > reservedOutputBlocks && requiredBlocks(promptTokens, engine) <= totalBlocks;
}

/**
 * How many requests are admitted from the front of a list, given the prompt tokens of each. The first refusal ends the
 * scan: a later request is not admitted past it, so the queue keeps its order.
 */
export function admit(promptTokens: readonly number[], budget: Budget): number {
  if (isClosed(budget)) return 0;
  const { availableBlocks, maxNumBatchedTokens, batch, chunkedPrefill } = budget;
  let blocks = 0;
  let tokens = 0;
  let long = 0;
  let admitted = 0;
  for (const prompt of promptTokens) {
    if (admitted === batch) break;
    blocks += requiredBlocks(prompt, budget);
    if (blocks > availableBlocks) break;
    if (chunkedPrefill) {
      if (prompt > chunkedPrefill.longPrefillTokenThreshold) long += 1;
      if (long > chunkedPrefill.maxLongPartialPrefills) break;
      if (admitted + 1 > chunkedPrefill.maxPartialPrefills) break;
    } else {
      tokens += prompt;
      if (tokens > maxNumBatchedTokens && admitted > 0) break;
    }
    admitted += 1;
  }
  return admitted;
}

/**
 * The tightest bounds that hold for every list of requests that {@link admit} admits whole. A claim within these bounds
 * therefore leaves no request behind that could have been admitted. Only `sumTokens` may be larger than needed, when no
 * long prompt is allowed.
 */
export function claimBounds(budget: Budget): ClaimBounds {
  const { availableBlocks, blockSize, reservedOutputBlocks, chunkedPrefill } = budget;
  let limit = isClosed(budget) ? 0 : budget.batch;
  if (reservedOutputBlocks > 0) limit = Math.min(limit, Math.floor(availableBlocks / reservedOutputBlocks));
  if (chunkedPrefill) limit = Math.min(limit, chunkedPrefill.maxPartialPrefills);
  if (limit < 1) return { limit: 0, aloneTokens: 0, sumTokens: 0 };

  let aloneTokens = (availableBlocks - reservedOutputBlocks) * blockSize;
  let sumTokens = limit < 2 ? 0 : (availableBlocks - 2 * reservedOutputBlocks) * blockSize;
  if (!chunkedPrefill) {
    sumTokens = Math.min(sumTokens, budget.maxNumBatchedTokens);
  } else if (chunkedPrefill.maxLongPartialPrefills < 1) {
    aloneTokens = Math.min(aloneTokens, chunkedPrefill.longPrefillTokenThreshold);
    sumTokens = Math.min(sumTokens, limit * chunkedPrefill.longPrefillTokenThreshold);
  }
  return { limit: toUint32(limit), aloneTokens: toUint32(aloneTokens), sumTokens: toUint32(sumTokens) };
}

/**
 * Checks a budget that a user gave; the other functions of this file trust theirs.
 * @throws ConfigError naming the first bad field
 */
export function validateBudget(budget: unknown): asserts budget is Budget {
  const fields = record('budget', budget);
  checkFields('a budget', fields, FIELDS, 'budget');
  const availableBlocks = count('budget.availableBlocks', fields.availableBlocks);
  count('budget.blockSize', fields.blockSize, 1);
  count('budget.reservedOutputBlocks', fields.reservedOutputBlocks);
  count('budget.maxNumBatchedTokens', fields.maxNumBatchedTokens);
  count('budget.batch', fields.batch);
  if (fields.totalBlocks !== undefined) {
    const totalBlocks = count('budget.totalBlocks', fields.totalBlocks);
    if (totalBlocks < availableBlocks) {
      throw new ConfigError(
        'budget.totalBlocks',
        totalBlocks,
        `at least availableBlocks (${availableBlocks})`,
      );
    }
  }
  const { readyInMs } = fields;
  if (readyInMs !== undefined && !(typeof readyInMs === 'number' && readyInMs >= 0 && readyInMs < Infinity))
    throw new ConfigError('budget.readyInMs', readyInMs, 'ms of at least 0');
  if (fields.chunkedPrefill !== undefined) {
    const chunked = record('budget.chunkedPrefill', fields.chunkedPrefill);
    checkFields('a budget', chunked, CHUNKED_FIELDS, 'budget.chunkedPrefill');
    for (const name of CHUNKED_FIELDS) count(`budget.chunkedPrefill.${name}`, chunked[name]);
  }
}

/** Nothing would be admitted, whatever waits, so Redis need not be asked. */
function isClosed({ availableBlocks, reservedOutputBlocks, batch }: Budget): boolean {
  return availableBlocks <= reservedOutputBlocks || batch < 1;
}

function toUint32(value: number): number {
  return Math.max(0, Math.min(MAX_UINT32, value));
}

function record(option: string, value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw new ConfigError(option, value, 'an object');
  return value as Record<string, unknown>;
}

function count(option: string, value: unknown, least = 0): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least) return value;
  throw new ConfigError(option, value, `an integer of at least ${least}`);
}
