import type { Equivalent } from '../mutant.ts';

const NOTHING_TO_DO = 'only saves the calls that a guard without anything to guard would make';
const SAME_EXPIRY = 'only saves a PEXPIREAT: the table has that expiry already';
const ORDER_OF_READING = 'only how much is read at once; the same is answered';
const FREE_LATER = 'owner and stealable_in(0, heads[2], asks_of({ owner })[1]) > 0';
const REAP = "first_due <= shard.now and require('lib.reap')(reap_limit, grace)";
const TICK = 'shard.ticked and shard.tick > (kept or 0)';
const DAMAGED = '#line.gone > 0 or i > 1 and #line.tickets == 0';

/** Each with its reason, why the script does the same without its guard. */
export const EQUIVALENT: readonly Equivalent[] = [
  { file: 'lua/claim.lua', before: 'first_due <= shard.now', after: 'true', why: NOTHING_TO_DO },
  { file: 'lua/claim.lua', before: '#take.expired > 0', after: 'true', why: NOTHING_TO_DO },
  { file: 'lua/claim.lua', before: "call('EXISTS', tables.IDLE) == 1", after: 'true', why: NOTHING_TO_DO },
  {
    ...{ file: 'lua/lib/lease.lua', before: 'min(first, lease_end, one.deadline)', after: 'lease_end' },
    why: 'a waiting ticket is due at its deadline, and all ends of leases that a claim gives are the same',
  },
  ...['#line.tickets == 0', 'i > 1'].map((after) => ({
    ...{ file: 'lua/lib/shorten.lua', before: 'i > 1 and #line.tickets == 0', after },
    why: 'a line from which nothing went is written as it stands',
  })),
  {
    file: 'lua/lib/shorten.lua',
    before: DAMAGED,
    after: 'true',
    why: 'a line from which nothing went is written as it stands',
  },
  {
    ...{ file: 'lua/put_requests.lua', before: "head_start ~= '0'", after: 'true' },
    why: 'only saves a format: without a head start the order is the tick',
  },
  {
    file: 'lua/put_requests.lua',
    before: "call('HLEN', tables.REQUEST) == #tickets",
    after: 'true',
    why: SAME_EXPIRY,
  },
  ...['lua/put_requests.lua', 'lua/lib/weigh.lua'].map((file) => ({
    ...{ file, before: "caller.load_unit == 'requests'", after: 'false' },
    why: 'only saves a count of tickets: each weighs 1, and the load is their number',
  })),
  {
    ...{ file: 'lua/put_requests.lua', before: "caller.load_unit == 'requests'", after: 'false' },
    why: 'the load in requests is the number in line, only cheaper to read',
  },
  {
    ...{ file: 'lua/refresh.lua', before: REAP, after: REAP.replace(/.* and /, '') },
    why: NOTHING_TO_DO,
  },
  { file: 'lua/reset.lua', before: '#strays > 0', after: 'true', why: 'the line is written as it stands' },
  {
    ...{ file: 'lua/take_results.lua', before: 'min(step, limit - #reply + 3)', after: 'limit - #reply + 3' },
    why: ORDER_OF_READING,
  },
  ...['2 * step', 'STEP'].map((after) => ({
    ...{ file: 'lua/take_results.lua', before: 'min(2 * step, STEP)', after },
    why: ORDER_OF_READING,
  })),
  {
    file: 'lua/lib/dequeue.lua',
    before: 'head == nil',
    after: 'true',
    why: 'only saves a read of what the caller has read',
  },
  {
    file: 'lua/lib/enqueue.lua',
    before: "call('ZCARD', tables.WAITING) == #tickets",
    after: 'true',
    why: SAME_EXPIRY,
  },
  {
    file: 'lua/lib/post.lua',
    before: "call('ZCARD', tables.OUT) == #mails",
    after: 'true',
    why: SAME_EXPIRY,
  },
  {
    file: 'lua/lib/enter.lua',
    before: 'known',
    after: 'true',
    why: 'only saves the HDEL of lanes that a new node has not',
  },
  ...[
    [TICK, 'shard.tick > (kept or 0)'],
    [TICK, 'shard.ticked'],
    [TICK, 'true'],
    ['kept or 0', '0'],
  ].map(([before, after]) => ({
    ...{ file: 'lua/lib/leave.lua', before: before!, after: after! },
    why: 'only saves a write: what is kept is at or above every tick that was given, either way',
  })),
  { file: 'lua/lib/lines.lua', before: 'line.ticket', after: 'false', why: ORDER_OF_READING },
  ...['wanted', 'CHUNK'].map((after) => ({
    ...{ file: 'lua/lib/lines.lua', before: 'min(wanted, CHUNK)', after },
    why: ORDER_OF_READING,
  })),
  {
    file: 'lua/lib/ring.lua',
    before: "call('EXISTS', tables.IDLE) == 0",
    after: 'false',
    why: NOTHING_TO_DO,
  },
  {
    ...{ file: 'lua/lib/pick_lucky.lua', before: 'not take.full and not own.blocked and peek(own, take)' },
    ...{
      after: 'not take.full and peek(own, take)',
      why: 'a blocked front blocks again, until the bound on looks',
    },
  },
  {
    ...{ file: 'lua/lib/pick_oldest.lua', before: 'peer.first >= order', after: 'false' },
    why: 'only ends the search early: the peers behind are no older',
  },
  {
    ...{ file: 'lua/lib/pick_oldest.lua', before: 'min(take.limit + SPARE, HEADS)', after: 'HEADS' },
    why: ORDER_OF_READING,
  },
  {
    ...{ file: 'lua/lib/pick_oldest.lua', before: 'mine', after: 'true' },
    why: 'nothing is picked from an empty or blocked line, until the bound on looks',
  },
  ...['owner', 'true'].map((after) => ({
    ...{ file: 'lua/lib/ring_first.lua', before: FREE_LATER, after },
    why: 'free or loaded, the delay is 0 and the same runner is rung: no owner with waiting work is idle',
  })),
  {
    ...{ file: 'lua/lib/weigh.lua', before: "caller.load_unit == 'requests'", after: 'false' },
    why: 'each request weighs 1 then, the sum is their number',
  },
];
