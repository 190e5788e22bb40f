/**
 * A node's card: what it tells the topic of itself with each renewal of its registration, for those who look (`sched-lua status`).
 * It is JSON in the table `cards` of the registry. No script and no node reads it, so nothing depends on it.
 */
import type { StealPolicy } from '../base/options.ts';
import type { Quantiles } from '../observe/recent.ts';

/** As of the renewal that told it. Times are ms. docs/status.md explains each field. */
export interface Card {
  host: string;
  pid: number;
  version: string;
  policy: StealPolicy;
  /** `front`: it has never asked for work. `engine`: it has, and has put nothing. */
  role: 'front' | 'engine' | 'both';
  leaseMs: number;
  keepAliveMs: number;
  ttlMs: number;
  upMs: number;
  /** It closes, and waits for what still runs. */
  draining: boolean;
  /** Requests that it accepted and that have not ended. */
  pending: number;
  /** Requests that it has claimed and that have not ended. */
  held: number;
  /** Handlers of `run` that have not ended. */
  running: number;
  /** What its engine has room for: prompt tokens in all, and requests. null: it has not asked for work. */
  room: { tokens: number; requests: number } | null;
  /** Until one request tries the engine whose breaker is open; null: it is closed, or one tries it now. */
  nextTryMs: number | null;
  totals: CardTotals;
  /** Over the last minute: how long own requests queued, and how long requests ran here. null: there were none. */
  lastMinute: { queued: Quantiles | null; ran: Quantiles | null };
}

/** Since the start of the scheduler. */
export interface CardTotals {
  accepted: number;
  refused: number;
  finished: number;
  failed: number;
  cancelled: number;
  expired: number;
  putAgain: number;
  claimed: number;
  /** Of `claimed`: accepted by another node. */
  stolenIn: number;
  /** Requests of this node that ended at another one. */
  stolenOut: number;
  givenBack: number;
  leasesLost: number;
  results: number;
  resultBytes: number;
}

/** What `register` takes. A card of ours is below 1,200 bytes, whatever its figures are. */
export const MAX_CARD_BYTES = 2048;
/** Characters of a host's name. */
const MAX_HOST = 64;

/** As `register` takes it. Empty if it is too long. */
export function cardText(card: Card): string {
  const text = JSON.stringify({ ...card, host: card.host.slice(0, MAX_HOST) });
  return Buffer.byteLength(text) <= MAX_CARD_BYTES ? text : '';
}

type Shape<T> = { [Name in keyof T]: (value: unknown) => T[Name] };

const count = (value: unknown): number => (isCount(value) ? value : 0);
const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0;
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const orNull =
  <T>(read: (value: unknown) => T) =>
  (value: unknown): T | null =>
    value === null || value === undefined ? null : read(value);
const word =
  <T extends string>(...words: readonly [T, ...T[]]) =>
  (value: unknown): T =>
    words.find((one) => one === value) ?? words[0];
const shaped =
  <T>(shape: Shape<T>) =>
  (value: unknown): T => {
    const fields = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
    const names = Object.keys(shape) as (keyof T & string)[];
    return Object.fromEntries(names.map((name) => [name, shape[name](fields[name])])) as T;
  };

const quantiles = orNull(shaped<Quantiles>({ count, p50: count, p99: count }));
const readCard = shaped<Card>({
  host: text,
  pid: count,
  version: text,
  policy: word('oldest', 'lucky', 'none'),
  role: word('front', 'engine', 'both'),
  leaseMs: count,
  keepAliveMs: count,
  ttlMs: count,
  upMs: count,
  draining: (value) => value === true,
  pending: count,
  held: count,
  running: count,
  room: orNull(shaped({ tokens: count, requests: count })),
  nextTryMs: orNull(count),
  totals: shaped<CardTotals>({
    ...{ accepted: count, refused: count, finished: count, failed: count, cancelled: count, expired: count },
    ...{ putAgain: count, claimed: count, stolenIn: count, stolenOut: count, givenBack: count },
    ...{ leasesLost: count, results: count, resultBytes: count },
  }),
  lastMinute: shaped({ queued: quantiles, ran: quantiles }),
});

/**
 * Another version may have written it: fields that this one does not know are left out, missing ones are as of a node that has
 * done nothing.
 * @returns undefined if it is no card
 */
export function parseCard(written: string | undefined): Card | undefined {
  if (written === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(written);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? readCard(value) : undefined;
  } catch {
    return undefined;
  }
}
