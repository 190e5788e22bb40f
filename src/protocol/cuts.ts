/** How many items of a lane's queue go together in one call: at most MAX_ITEMS and MAX_BYTES, or one larger item. Pure. */
import type { Payload } from '../base/codec.ts';
import type { LingerOptions } from './linger.ts';
import { MAX_BYTES, MAX_ITEMS, type PutCall, type ResultItem } from './wire.ts';

/** Results that were put together, in order; they leave in one call. */
export interface ResultUnit {
  readonly items: readonly ResultItem[];
  /** Of their payloads. */
  readonly bytes: number;
  /** It only asks whether it was run. */
  readonly isHollow?: boolean;
}

function sizeOf(payload: Payload): number {
  return typeof payload === 'string' ? payload.length : payload.byteLength;
}

/** How many puts of a queue go into one call, from the first on. At least one; a reset goes alone. Looks at no more than that. */
export function cutPuts(queue: Iterable<PutCall>): number {
  let count = 0;
  let bytes = 0;
  for (const item of queue) {
    bytes += 'reset' in item ? Infinity : sizeOf(item.payload);
    if (count > 0 && (count === MAX_ITEMS || bytes > MAX_BYTES)) break;
    count += 1;
  }
  return count;
}

/** How many units of results go into one call, from the first on. At least one. */
export function cutUnits(queue: Iterable<ResultUnit>): number {
  let count = 0;
  let results = 0;
  let bytes = 0;
  for (const unit of queue) {
    results += unit.items.length;
    bytes += unit.bytes;
    if (count > 0 && (results > MAX_ITEMS || bytes > MAX_BYTES)) break;
    count += 1;
  }
  return count;
}

/** What part of a call a unit fills; Infinity: an end of a request is among it, and does not wait for others. */
export function shareOf({ items, bytes }: ResultUnit): number {
  if (items.some(({ kind }) => kind !== 'chunk')) return Infinity;
  return Math.max(items.length / MAX_ITEMS, bytes / MAX_BYTES);
}

/** How results wait for others; undefined: they do not. */
export function lingerOf(flushMs: number): LingerOptions<ResultUnit> | undefined {
  return flushMs > 0 ? { ms: flushMs, share: shareOf } : undefined;
}

/** Results that are put together, as units that each fit one call, or are one larger result. */
export function unitsOf(items: readonly ResultItem[]): ResultUnit[] {
  const units: ResultUnit[] = [];
  let from = 0;
  let bytes = 0;
  for (let i = 0; i < items.length; i += 1) {
    const size = items[i]!.bytes;
    if (i > from && (i - from === MAX_ITEMS || bytes + size > MAX_BYTES)) {
      units.push({ items: items.slice(from, i), bytes });
      from = i;
      bytes = 0;
    }
    bytes += size;
  }
  if (from < items.length) units.push({ items: from === 0 ? items : items.slice(from), bytes });
  return units;
}

/** A call of one item that is larger than any of several: it would hold up what is sent behind it. */
export function isLarge(items: readonly { payload: Payload }[]): boolean {
  return items.length === 1 && sizeOf(items[0]!.payload) > MAX_BYTES;
}
