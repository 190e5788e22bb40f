-- Delivers results of claims that the caller still holds: many chunks at once in frames, one for each owner; finals, and
-- chunks of claims that are not known to stand, one by one (lib/exact_results.lua).
--
-- No frame is looked into, and no record read for it. Its claims were granted or checked before, and `calls` tells of each
-- that was taken away since (lib/take_away.lua). That holds only if the caller knows the shard's history: the last grant
-- is the one that it names (mark), or the one before, as it may not have heard of the last; and the last call of the lane is
-- the one whose answer it has. Else frames are answered DOUBT, and nothing is done: the caller sends the same number once
-- more, all one by one. That makes a new mark, and no claim is known to stand but those that this call has checked. FULL: an
-- owner has no room for a frame, and nothing is done; one by one tells which chunk is beyond.
--
-- ARGV[14] max_results  chunks of one owner that may wait in the shard
-- ARGV[15] max_bytes    bytes of chunks of one owner that may wait; the one that goes beyond is the last
-- ARGV[16] terms        form (1 hex digit: which form of the call with this number it is), last (12 hex digits: number of
--                       the last call on this lane whose answer the caller has), mark (14), carried (4: an entry of at
--                       most so many bytes goes with the wake-up, if little waits and its owner need not ask anyway)
-- ARGV[17] groups       how many. They follow, two arguments each: intro (14, as the caller knows it), count of chunks (4
--                       hex digits), owner; and the frame (lib/cut.lua), empty if the owner is the caller
-- ARGV[18..] ticket fence number kind dead payload  of each other result, behind the groups. number: 8 hex digits, from 1;
--                       kind: chunk, finished, done (finished without an output), failed; dead: 1: its runner could not
--                       decode it, and it is kept in `dead` whatever its owner wants
-- RETURNS status, tick, and in one: form, mark, count (4 hex digits) and fences of claims that were taken away; per group k,
--         or o (its owner is silent), and the intro; per other result and joined by ' ': OK, ORPHAN (accepted, but the owner
--         is silent), LOST (the fence holds the request no longer), OVERFLOW (its owner had no room: it has failed)
-- STATUS OK DOUBT FULL ORPHAN LOST OVERFLOW
-- COST   O(groups + n log out)
-- WRITES out, calls
local bounds = require('lib.bounds')
local boxes = require('lib.boxes')
local caller = require('lib.caller')
local enter = require('lib.enter')
local leave = require('lib.leave')
local shard = require('lib.shard')
local tables = require('lib.tables')
local call, format, sub = redis.call, string.format, string.sub
local max_results, max_bytes, terms, count = tonumber(ARGV[14]), tonumber(ARGV[15]), ARGV[16], tonumber(ARGV[17])
local FIRST, WIDTH, ROOMY, NO_MARK, NO_CALL = 18, 6, 0.9, '00000000000000', '000000000000'
local KINDS = { chunk = true, finished = true, done = true, failed = true }
local form, last, mark, carried = sub(terms, 1, 1), sub(terms, 2, 13), sub(terms, 14, 27), tonumber(sub(terms, 28), 16)
assert(max_results >= 0 and max_bytes >= 0 and #terms == 31 and carried and count >= 0
  and count <= bounds.ITEMS and count % 1 == 0, 'an argument is out of its range')
local first = FIRST + 2 * count
local claims = #ARGV >= first and require('lib.named')(first, WIDTH, (#ARGV - first + 1) / WIDTH)
for at = first, #ARGV, WIDTH do
  assert(#ARGV[at + 2] == 8 and KINDS[ARGV[at + 3]], 'a result without number or kind')
end
local fields = { '', '', caller.node .. '|held', caller.node .. '|taken' }
local list = count > 0 and require('lib.groups')(FIRST, count, fields)
local doubt, told, set, left, stays = false, '', nil, '', true

local function open(calls, is_new)
  local held, taken, answered = NO_MARK .. NO_MARK, '', NO_CALL
  if not is_new then
    held, taken, answered = calls[3] or held, calls[4] or '', calls[2] and sub(calls[2], 1, 12) or NO_CALL
  end
  doubt = answered ~= last or mark ~= sub(held, 1, 14) and mark ~= sub(held, 15) or sub(taken, -1) == '*'
  if count > 0 and (doubt or mark == NO_MARK) then
    return { 'DOUBT', format('%014x', shard.tick) }
  elseif taken ~= '' and not doubt then
    told, set, left = require('lib.taken_until')(taken, mark)
  end
  stays = left == taken
  for i = 1, count do
    local one = list[i]
    if one.owner ~= caller.node then
      one.box = boxes.of(one.owner, calls[4 + i])
      if told ~= '' then
        one.frame, one.count = require('lib.cut')(one.frame, one.count, set)
      end
      local chunks, bytes = boxes.room(one.box, max_results, max_bytes)
      if one.count > 0 and (one.count > chunks or #one.frame > bytes) then
        return { 'FULL', format('%014x', shard.tick) }
      end
      one.carried = not claims and chunks > ROOMY * max_results and bytes > ROOMY * max_bytes and carried or 0
    end
  end
  if call('PEXPIREAT', tables.OUT, shard.expiry) == 0 then
    shard.made(tables.OUT)
  end
end

local refused = enter('result', open, fields)
if refused then
  return refused
end
local news, rung = '', {}
if count > 0 then
  news, rung = require('lib.post_frames')(list)
end
local words = claims and require('lib.exact_results')(claims, first, max_results, max_bytes, rung) or ''
if doubt then
  mark = shard.next_tick()
  shard.remember(fields[3], mark .. mark)
end
if not stays and left == '' then
  call('HDEL', tables.CALLS, fields[4])
elseif not stays then
  shard.remember(fields[4], left)
end
local answer = form .. mark .. format('%04x', #told / 14) .. told .. news .. words
return leave('result', { 'OK', format('%014x', shard.tick), answer })
