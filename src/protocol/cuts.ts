/** How many items of a lane's queue go together in one call: at most MAX_ITEMS and MAX_BYTES, or one larger item. Pure. */
import type { Payload } from '../base/codec.ts';
import { MAX_BYTES, MAX_ITEMS, type PutCall, type ResultItem } from './wire.ts';

function sizeOf(payload: Payload): number {
  return typeof payload === 'string' ? payload.length : payload.byteLength;
}

/** How many items, from the first on, go into one call. At least one. Looks at no more than that. */
function fitting(queue: Iterable<PutCall | ResultItem>): number {
  let count = 0;
  let bytes = 0;
  for (const item of queue) {
    bytes += 'reset' in item ? Infinity : sizeOf(item.payload);
    if (count > 0 && (count === MAX_ITEMS || bytes > MAX_BYTES)) break;
    count += 1;
  }
  return count;
}

/** How many puts of a queue go into one call. A reset goes alone. */
export function cutPuts(queue: Iterable<PutCall>): number {
  return fitting(queue);
}

/** How many results of a queue go into one call. */
export function cutResults(queue: Iterable<ResultItem>): number {
  return fitting(queue);
}

/** A call of one item that is larger than any of several: it would hold up what is sent behind it. */
export function isLarge(items: readonly { payload: Payload }[]): boolean {
  return items.length === 1 && sizeOf(items[0]!.payload) > MAX_BYTES;
}
