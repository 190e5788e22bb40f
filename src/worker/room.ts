/**
 * What the engine behind a worker has room for. The worker's own account of what it sent there is the truth; what the
 * engine says of itself only takes away from it: what others use, requests that wait inside, a lost capacity.
 */
import { Alarm, monotonic } from '../base/clock.ts';
import type { Budget, Engine } from '../index.ts';
import type { Reading } from './kinds/kind.ts';

/** What the user of a worker said of the engine, and what stands where the engine says nothing. */
export interface RoomLimits {
  /** Requests at once, at most; what the engine says may be less. */
  slots?: number;
  blocks?: number;
  blockSize?: number;
  /** Requests at once where nobody says. */
  defaultSlots?: number;
  defaultBlockSize: number;
  /** Tokens that are kept for the output of each request. */
  reserveOutput: number;
  maxBatchedTokens: number;
}

/** A request in the engine. */
interface Guest {
  promptTokens: number;
  emittedTokens: number;
  blocks: number;
}

/** What is known of the engine's size. */
interface Capacity {
  slots: number | undefined;
  blocks: number | undefined;
  blockSize: number;
}

/** Blocks and requests of this worker, for {@link EngineRoom.correct}. */
export type Own = Readonly<Record<'blocks' | 'requests', number>>;

/** Figures for people and for metrics. */
export interface RoomFigures {
  isUp: boolean;
  slots: number;
  requests: number;
  /** `own` is reserved by this worker, `foreign` used by others. */
  blocks: Readonly<Record<'total' | 'own' | 'foreign' | 'free', number>>;
  waitingInside: number;
}

export class EngineRoom implements Engine {
  readonly #limits: RoomLimits;
  readonly #guests = new Map<string, Guest>();
  #ownBlocks = 0;
  #capacity: Capacity;
  #foreignBlocks = 0;
  #foreignRequests = 0;
  #waitingInside = 0;
  #isUp = false;
  #heldUntil = -Infinity;
  readonly #waiters = new Set<() => void>();
  readonly #alarm = new Alarm(() => this.#tell());

  constructor(limits: RoomLimits) {
    this.#limits = limits;
    this.#capacity = {
      slots: limits.slots ?? limits.defaultSlots,
      blocks: limits.blocks,
      blockSize: limits.blockSize ?? limits.defaultBlockSize,
    };
  }

  /** Figures that neither the user nor the engine has said. */
  get missing(): ('slots' | 'blocks')[] {
    const { slots, blocks } = this.#capacity;
    return [
      ...(slots === undefined ? (['slots'] as const) : []),
      ...(blocks === undefined ? (['blocks'] as const) : []),
    ];
  }

  room(): Budget {
    const { blockSize, blocks: totalBlocks = 0, slots = 0 } = this.#capacity;
    const availableBlocks = Math.max(0, totalBlocks - this.#ownBlocks - this.#foreignBlocks);
    const free = Math.max(0, slots - this.#guests.size - this.#foreignRequests);
    return {
      availableBlocks,
      totalBlocks,
      blockSize,
      reservedOutputBlocks: Math.ceil(this.#limits.reserveOutput / blockSize),
      maxNumBatchedTokens: this.#limits.maxBatchedTokens,
      batch: this.#isClosed() ? 0 : free,
    };
  }

  async whenRoom(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.#hasRoom()) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          this.#waiters.delete(done);
          signal.removeEventListener('abort', done);
          resolve();
        };
        this.#waiters.add(done);
        signal.addEventListener('abort', done);
      });
    }
  }

  /** A claimed request is about to be sent to the engine. False: there is no room for it any more, it must go back. */
  enter(claim: string, promptTokens: number): boolean {
    const { availableBlocks, batch } = this.room();
    const blocks = this.#blocksOf(promptTokens, 0);
    if (batch < 1 || blocks > availableBlocks) return false;
    this.#guests.set(claim, { promptTokens, emittedTokens: 0, blocks });
    this.#ownBlocks += blocks;
    return true;
  }

  /** The engine has emitted so many tokens for it. */
  grow(claim: string, emittedTokens: number): void {
    const guest = this.#guests.get(claim);
    if (!guest) return;
    guest.emittedTokens += emittedTokens;
    const blocks = this.#blocksOf(guest.promptTokens, guest.emittedTokens);
    this.#ownBlocks += blocks - guest.blocks;
    guest.blocks = blocks;
  }

  /** It has left the engine, however; twice is as good as once. */
  leave(claim: string): void {
    const guest = this.#guests.get(claim);
    if (!guest) return;
    this.#guests.delete(claim);
    this.#ownBlocks -= guest.blocks;
    this.#tell();
  }

  get own(): Own {
    return { blocks: this.#ownBlocks, requests: this.#guests.size };
  }

  /**
   * What the engine says, asked for when this worker's part was `before`. What was here before or is here now is not
   * foreign: the engine looked at some time between.
   */
  correct(said: Reading, before: Own): void {
    const { slots: mostSlots, blocks, blockSize } = this.#limits;
    this.#capacity = {
      slots: least(mostSlots, said.slots) ?? this.#capacity.slots,
      blocks: least(blocks, said.blocks) ?? this.#capacity.blocks,
      blockSize: blockSize ?? said.blockSize ?? this.#capacity.blockSize,
    };
    const own = this.own;
    this.#foreignBlocks = Math.max(0, (said.usedBlocks ?? 0) - Math.max(before.blocks, own.blocks));
    this.#foreignRequests = Math.max(0, (said.running ?? 0) - Math.max(before.requests, own.requests));
    this.#waitingInside = said.waiting ?? 0;
    this.#tell();
  }

  /** The engine answers, or does not. */
  set isUp(isUp: boolean) {
    this.#isUp = isUp;
    this.#tell();
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** The engine refused work as it has too much: it gets none for `ms`. */
  hold(ms: number): void {
    this.#heldUntil = Math.max(this.#heldUntil, monotonic() + ms);
    this.#alarm.within(ms);
  }

  get figures(): RoomFigures {
    const { totalBlocks = 0, availableBlocks } = this.room();
    return {
      isUp: this.#isUp,
      slots: this.#capacity.slots ?? 0,
      requests: this.#guests.size,
      blocks: {
        total: totalBlocks,
        own: this.#ownBlocks,
        foreign: this.#foreignBlocks,
        free: availableBlocks,
      },
      waitingInside: this.#waitingInside,
    };
  }

  /** Leaves no timer behind. */
  close(): void {
    this.#alarm.clear();
  }

  #blocksOf(promptTokens: number, emittedTokens: number): number {
    const { blockSize } = this.#capacity;
    const { reserveOutput } = this.#limits;
    // as `requiredBlocks` of base/budget.ts while the reserve lasts: a claim that fits there fits here
    return (
      Math.ceil(promptTokens / blockSize) + Math.ceil(Math.max(emittedTokens, reserveOutput) / blockSize)
    );
  }

  #isClosed(): boolean {
    if (!this.#isUp || this.#waitingInside > 0) return true;
    const restMs = this.#heldUntil - monotonic();
    if (restMs <= 0) return false;
    this.#alarm.within(restMs);
    return true;
  }

  #hasRoom(): boolean {
    const { batch, availableBlocks, reservedOutputBlocks } = this.room();
    return batch >= 1 && availableBlocks > reservedOutputBlocks;
  }

  #tell(): void {
    if (this.#waiters.size === 0 || !this.#hasRoom()) return;
    for (const waiter of [...this.#waiters]) waiter();
  }
}

function least(...numbers: readonly (number | undefined)[]): number | undefined {
  const said = numbers.filter((number) => number !== undefined);
  return said.length === 0 ? undefined : Math.min(...said);
}
