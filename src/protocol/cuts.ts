/** How many items of a lane's queue go together in one call: at most MAX_ITEMS and MAX_BYTES, or one larger item. Pure. */
import type { Payload } from '../base/codec.ts';
import { MAX_BYTES, MAX_ITEMS, type PutCall, type ResultItem } from './wire.ts';

function sizeOf(payload: Payload): number {
  return typeof payload === 'string' ? payload.length : payload.byteLength;
}

/** How many of these sizes, from the first on, go into one call. At least one. Looks at no more than it takes, and one. */
function fitting(sizes: Iterable<number>): number {
  let count = 0;
  let bytes = 0;
  for (const size of sizes) {
    bytes += size;
    if (count > 0 && (count === MAX_ITEMS || bytes > MAX_BYTES)) break;
    count += 1;
  }
  return count;
}

function* sizesOfPuts(queue: readonly { item: PutCall }[]): Iterable<number> {
  for (const { item } of queue) {
    if ('reset' in item) return;
    yield sizeOf(item.put.payload);
  }
}

function* sizesOfResults(queue: readonly { item: ResultItem }[]): Iterable<number> {
  for (const { item } of queue) yield sizeOf(item.payload);
}

/** How many puts of a queue go into one call. A reset goes alone. */
export function cutPuts(queue: readonly { item: PutCall }[]): number {
  const first = queue[0]!.item;
  if ('reset' in first) return 1;
  return fitting(sizesOfPuts(queue));
}

/** How many results of a queue go into one call. */
export function cutResults(queue: readonly { item: ResultItem }[]): number {
  return fitting(sizesOfResults(queue));
}
