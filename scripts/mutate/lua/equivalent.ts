import type { Equivalent } from '../mutant.ts';

const NOTHING_TO_DO = 'only saves the calls that a guard without anything to guard would make';
const AS_IT_STANDS = 'what is written stands there already';
const SAME_EXPIRY = 'only saves a PEXPIREAT: the table has that expiry already';
const ORDER_OF_READING = 'only how much is read at once; the same is answered';
const REAP = "first_due <= shard.now and require('lib.reap')(reap_limit, grace)";
const RINGS = "claims_in ~= 0 and call('EXISTS', tables.IDLE) == 1";
const BODILESS = "waiting and not has_bodies and call('HEXISTS', tables.BODY, one.field) == 0";
const ROOM = "call('HGET', tables.CALLS, node .. '|room')";
const PAUSED = "#one.record > layout.WAITING_LENGTH and require('lib.is_paused')(one, take)";
const LOST = "layout.ends_alone(record) and require('lib.is_lost')(one)";
const CLAIMED =
  "#record > layout.WAITING_LENGTH and sub(record, layout.HOLDER - 1, layout.HOLDER - 1) == '|'";
const GROUPS = "count > 0 and require('lib.groups')(FIRST, count, fields)";
const TAKEN = "taken ~= '' and not doubt";
const CONFIRMED = "cursor ~= '' and require('lib.confirm')(string.sub(cursor, 1, 14)) and calls[3]";
const IN_HEADS = 'at and at <= heads and at % HEAD ~= 1';
const TICK = 'shard.ticked and shard.tick > (kept or 0)';

/** Each with its reason, why the script does the same without its guard. */
export const EQUIVALENT: readonly Equivalent[] = [
  {
    ...{ file: 'lua/put_results.lua', before: 'reply', after: 'false' },
    why: 'only saves any_results.lua, which answers and writes the same',
  },
  { file: 'lua/claim.lua', before: 'first_due <= shard.now', after: 'true', why: NOTHING_TO_DO },
  { file: 'lua/claim.lua', before: '#take.expired > 0', after: 'true', why: NOTHING_TO_DO },
  {
    ...{ file: 'lua/lib/lease.lua', before: 'min(first, lease_end, one.deadline)', after: 'lease_end' },
    why: 'a waiting ticket is due at its deadline, and all ends of leases that a claim gives are the same',
  },
  {
    file: 'lua/put_requests.lua',
    before: "call('HLEN', tables.REQUEST) == #tickets",
    after: 'true',
    why: SAME_EXPIRY,
  },
  {
    ...{ file: 'lua/lib/any_results.lua', before: GROUPS, after: GROUPS.replace(/.* and /, '') },
    why: NOTHING_TO_DO,
  },
  { file: 'lua/lib/any_results.lua', before: TAKEN, after: 'not doubt', why: NOTHING_TO_DO },
  {
    file: 'lua/lib/any_results.lua',
    before: "call('PEXPIREAT', tables.OUT, shard.expiry) == 0",
    after: 'true',
    why: SAME_EXPIRY,
  },
  {
    ...{ file: 'lua/lib/any_results.lua', before: "not stays and left == ''", after: "left == ''" },
    why: 'only saves an HDEL of what is not there',
  },
  ...["call('EXISTS', tables.IDLE) == 1", 'claims_in ~= 0', 'true'].map((after) => ({
    ...{ file: 'lua/put_requests.lua', before: RINGS, after },
    why: 'only saves a ring that finds nobody: none is idle, or no time is left before the claim that follows',
  })),
  {
    ...{ file: 'lua/refresh.lua', before: REAP, after: REAP.replace(/.* and /, '') },
    why: NOTHING_TO_DO,
  },
  {
    ...{ file: 'lua/refresh.lua', before: CONFIRMED, after: CONFIRMED.replace("cursor ~= '' and ", '') },
    why: 'only saves a look: no entry has an empty tick, so none is confirmed',
  },
  { file: 'lua/reset.lua', before: '#strays > 0', after: 'true', why: AS_IT_STANDS },
  { file: 'lua/lib/note_asks.lua', before: 'noted ~= NEVER', after: 'true', why: AS_IT_STANDS },
  {
    ...{ file: 'lua/take_results.lua', before: 'min(step, limit - #reply + 3)', after: 'limit - #reply + 3' },
    why: ORDER_OF_READING,
  },
  ...['2 * step', 'STEP'].map((after) => ({
    ...{ file: 'lua/take_results.lua', before: 'min(2 * step, STEP)', after },
    why: ORDER_OF_READING,
  })),
  { file: 'lua/take_results.lua', before: 'text ~= box', after: 'true', why: AS_IT_STANDS },
  {
    ...{ file: 'lua/lib/cut.lua', before: IN_HEADS, after: 'at and at % HEAD ~= 1' },
    why: 'only saves a search of the bodies: what is found there is behind the heads, and is not met',
  },
  {
    ...{ file: 'lua/lib/cut.lua', before: 'at and at <= heads', after: 'at' },
    why: 'only saves a walk that finds nothing to cut',
  },
  {
    ...{ file: 'lua/lib/cut.lua', before: 'not met', after: 'false' },
    why: 'only saves a walk that finds nothing to cut',
  },
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
    ...{ file: 'lua/lib/mend.lua', before: BODILESS, after: BODILESS.replace('not has_bodies and ', '') },
    why: 'only saves reads: where there are as many bodies as records, each record has one',
  },
  {
    file: 'lua/lib/post.lua',
    before: "call('ZCARD', tables.OUT) == #mails",
    after: 'true',
    why: SAME_EXPIRY,
  },
  {
    file: 'lua/lib/new_epoch.lua',
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
  { file: 'lua/lib/leave.lua', before: 'shard.moved', after: 'true', why: AS_IT_STANDS },
  { file: 'lua/lib/shard.lua', before: 'shard.ttl > ttl', after: 'true', why: AS_IT_STANDS },
  { file: 'lua/lib/shorten.lua', before: 'is_short', after: 'true', why: AS_IT_STANDS },
  {
    ...{ file: 'lua/lib/arrival_of.lua', before: 'not record', after: 'true' },
    why: 'only saves a read of what the caller has read',
  },
  {
    ...{ file: 'lua/lib/record_of.lua', before: "head_start ~= '0'", after: 'true' },
    why: 'only saves a text that is the same: nothing is taken off',
  },
  {
    ...{ file: 'lua/lib/heads.lua', before: 'min(count, HEADS)', after: 'HEADS' },
    why: ORDER_OF_READING,
  },
  {
    ...{ file: 'lua/lib/heads.lua', before: 'peer.first >= order', after: 'false' },
    why: 'only saves a look at the rest: a line has nothing before its head',
  },
  {
    ...{ file: 'lua/lib/line_length.lua', before: "caller.load_unit == 'requests'", after: 'false' },
    why: 'only saves a count: a load in requests is the length of the line',
  },
  {
    ...{ file: 'lua/lib/enqueue.lua', before: 'not deadlines[deadline]', after: 'true' },
    why: 'only saves that the same text is made again',
  },
  {
    ...{ file: 'lua/lib/has_room.lua', before: `need > 0 and ${ROOM}`, after: ROOM },
    why: 'only saves a read: no room is less than none',
  },
  { file: 'lua/lib/mend_pending.lua', before: '#standing > 0', after: 'true', why: NOTHING_TO_DO },
  {
    ...{ file: 'lua/lib/patrol.lua', before: 'min(#list, 2 * bounds.ITEMS)', after: '#list' },
    why: 'a bound for `unpack` that no test can reach: HSCAN gives some hundreds for a COUNT of 128',
  },
  { file: 'lua/lib/patrol.lua', before: 'found[1] ~= at', after: 'true', why: AS_IT_STANDS },
  {
    ...{ file: 'lua/lib/patrol.lua', before: '#requests > 0 and mend(requests)', after: 'mend(requests)' },
    why: NOTHING_TO_DO,
  },
  { file: 'lua/lib/lines.lua', before: 'line.ticket', after: 'false', why: ORDER_OF_READING },
  ...['wanted', 'CHUNK'].map((after) => ({
    ...{ file: 'lua/lib/lines.lua', before: 'min(wanted, CHUNK)', after },
    why: ORDER_OF_READING,
  })),
  ...['(left or take.aside)', "call('EXISTS', tables.IDLE) == 1", 'true'].map((after) => ({
    file: 'lua/lib/rest.lua',
    before: "(left or take.aside) and call('EXISTS', tables.IDLE) == 1",
    after,
    why: NOTHING_TO_DO,
  })),
  {
    ...{ file: 'lua/lib/pick.lua', before: PAUSED, after: PAUSED.replace(/.* and /, '') },
    why: 'only saves looking for pauses in a record that has none',
  },
  {
    ...{ file: 'lua/lib/pick.lua', before: LOST, after: LOST.replace(/.* and /, '') },
    why: 'only saves a call: `is_lost` asks the same of the record first',
  },
  {
    ...{ file: 'lua/lib/is_claimed.lua', before: CLAIMED, after: CLAIMED.replace(/.* and /, '') },
    why: 'only saves a look behind the end of a record',
  },
  {
    ...{ file: 'lua/lib/pick_oldest.lua', before: 'wanted.ask_on == 0 and not all.own', after: 'false' },
    why: 'only saves a read of the own line: the caller has no head, and so no line',
  },
  {
    ...{ file: 'lua/lib/pick_oldest.lua', before: 'mine', after: 'true' },
    why: 'nothing is picked from an empty or blocked line, until the bound on looks',
  },
  {
    ...{ file: 'lua/lib/weigh.lua', before: "caller.load_unit == 'requests'", after: 'false' },
    why: 'each request weighs 1 then, the sum is their number',
  },
];
