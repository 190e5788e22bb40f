/** The shard scripts as calls of a {@link TestShard}, with defaults for what a row is not about. */
import type { Tick, Ticket } from '../../src/base/ticket.ts';
import type { Call, Options, TestShard } from './support.ts';
import {
  AT_ONCE,
  claimArgs,
  pushBackArgs,
  putArgs,
  refreshArgs,
  resultArgs,
  type ClaimBounds,
  type ClaimsIn,
  type GiveBack,
  type Group,
  type Held,
  type PutItem,
  type ResultItem,
  type Wish,
} from './wire.ts';

const NO_BOUND = 2 ** 32;

export function put(
  shard: TestShard,
  node: string,
  items: readonly (string | PutItem)[],
  {
    maxWaiting = 100_000,
    claimsIn,
    dead = 'lost',
    deadBytes = 65_536,
    ...options
  }: Options & { maxWaiting?: number; claimsIn?: ClaimsIn } & Partial<Wish> = {},
): Call {
  const full = items.map((item) => (typeof item === 'string' ? { id: item } : item));
  return shard.call('put_requests', node, putArgs(maxWaiting, full, claimsIn, { dead, deadBytes }), options);
}

export function claim(
  shard: TestShard,
  node: string,
  bounds: Partial<ClaimBounds> = {},
  options: Options = {},
): Call {
  const all: ClaimBounds = {
    ...{ limit: 8, alone: NO_BOUND, sum: NO_BOUND, total: NO_BOUND, bytes: 262_144 },
    ...{ since: 'ffffffffffffff', idleFor: 3_000, entropy: 1, patience: 2_000, keepFor: 4_000, askOn: 0 },
    elsewhere: -1,
    ...bounds,
  };
  return shard.call('claim', node, claimArgs(all), options);
}

/** @param how default: it may be taken again at once, and no try is counted */
export function pushBack(
  shard: TestShard,
  node: string,
  held: readonly Held[],
  { how, ...options }: Options & { how?: Partial<GiveBack> } = {},
): Call {
  return shard.call('push_back', node, pushBackArgs(held, { ...AT_ONCE, ...how }), options);
}

export function putResults(
  shard: TestShard,
  node: string,
  items: readonly ResultItem[],
  options: Options & ResultsOptions = {},
): Call {
  const {
    maxResults = 1_000,
    maxBytes = 2 ** 26,
    form = 0,
    last,
    mark,
    carried = 0,
    groups = [],
    ...rest
  } = options;
  const known = shard.runner(node);
  const terms = { form, last: last ?? known.last, mark: mark ?? known.mark, carried };
  return shard.call('put_results', node, resultArgs({ maxResults, maxBytes }, terms, items, groups), rest);
}

interface ResultsOptions {
  maxResults?: number;
  maxBytes?: number;
  form?: number;
  /** Default: as the node's answers say. */
  last?: number;
  mark?: Tick;
  carried?: number;
  groups?: readonly Group[];
}

/** How long the runner of a claim is to wait; 0: it goes on. */
interface Halt extends Held {
  ms: number;
}

export function takeResults(
  shard: TestShard,
  node: string,
  cursor: Tick = '',
  {
    limit = 128,
    maxBytes = 262_144,
    halts = [],
    ...options
  }: Options & { limit?: number; maxBytes?: number; halts?: readonly Halt[] } = {},
): Call {
  const told = halts.flatMap(({ ticket, fence, ms }) => [ticket, fence, String(ms)]);
  return shard.call('take_results', node, [cursor, String(limit), String(maxBytes), ...told], options);
}

export interface Refreshed {
  held?: readonly Held[];
  pending?: readonly Ticket[];
  cursor?: Tick;
  reapLimit?: number;
  /** ms. */
  alive?: number;
}

export function refresh(
  shard: TestShard,
  node: string,
  { held = [], pending = [], cursor, reapLimit = 100, alive }: Refreshed = {},
  options: Options = {},
): Call {
  return shard.call('refresh', node, refreshArgs(reapLimit, cursor ?? '', held, pending, alive), options);
}

export type Final = 'cancelled' | 'expired' | 'failed';

export function cancel(
  shard: TestShard,
  node: string,
  tickets: readonly Ticket[],
  { final = 'cancelled', reason = '', ...options }: Options & { final?: Final; reason?: string } = {},
): Call {
  return shard.call('cancel', node, [final, reason, ...tickets], options);
}

export function reset(
  shard: TestShard,
  node: string,
  tickets: readonly Ticket[] = [],
  { slice = 128, ...options }: Options & { slice?: number } = {},
): Call {
  return shard.call('reset', node, [String(slice), ...tickets], options);
}
