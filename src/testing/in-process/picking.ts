/** What a claim asks for, and what it came to. */
import type { Tick } from '../../base/ticket.ts';
import type { Request } from './lines.ts';

/** lua/lib/wanted.lua says what each is. */
export interface Bounds {
  readonly limit: number;
  readonly alone: number;
  readonly sum: number;
  readonly total: number;
  readonly bytes: number;
  readonly since: Tick;
  readonly idleFor: number;
  readonly entropy: number;
  readonly patience: number;
  readonly keepFor: number;
  readonly askOn: number;
  readonly elsewhere: number;
}

export interface Picked<R> {
  readonly request: R;
  /** Its body is sent along. */
  readonly bodied: boolean;
}

export interface Picking<R = Request> {
  readonly picks: readonly Picked<R>[];
  /** How many were stepped over: never here, not now. */
  readonly never: number;
  readonly notNow: number;
  /** The first that the caller gave back and does not take yet, and in how many ms it may take one of them. */
  readonly aside: R | undefined;
  readonly freeIn: number;
  /** Least tokens of what it left. */
  readonly least: number;
  /** Nothing more may be looked at, though nothing was taken. */
  readonly spent: boolean;
  /** Some left their lines without being taken. */
  readonly removed: boolean;
  /** How many lines were opened, and whose were looked through to an end that stays. */
  readonly opened: number;
  readonly through: ReadonlySet<string>;
  /** Rank of the last head whose line was opened, plus one. */
  readonly reached: number;
}
