-- The record of a new request that waits, from its arguments at `at` (put_requests.lua), under the next tick. `deadline_in`:
-- ms from now. Also answers its stamp, its order as a number, and its tokens. Called before the first write: whatever is
-- out of its range, and would shift the fields of a record, ends the call. Its owner's wish (layout.lua) is one for the call
-- in what is kept in `dead`, but for the body.
--
-- GIVES  record_of(at, deadline_in)
-- WRITES nothing
local layout = require('lib.layout')
local shard = require('lib.shard')
local find, format, sub = string.find, string.format, string.sub
local MOST_ID, MOST_TOKENS, DAY = 512, 4294967295, 86400000
local TRIES_TEXT = '^|%x%x|%x%x|$'
local dead, dead_bytes = ARGV[16], tonumber(ARGV[17])
assert((dead == 'lost' or dead == 'failed' or dead == 'all') and dead_bytes >= 0, 'an argument is out of its range')
local with_body, without_body = '|' .. sub(dead, 1, 1) .. 'b', '|' .. sub(dead, 1, 1) .. '-'
local ALONE = { finish = '-', abort = 'a' }
-- texts that repeat: most requests of a call have the same deadline and tries, many the same length
local deadlines, tries_known, lengths = {}, {}, {}

local function record_of(at, deadline_in)
  local order, head_start, tokens = shard.next_tick(), ARGV[at + 3], tonumber(ARGV[at + 1], 16)
  local number, tries, bytes = shard.tick, '|' .. ARGV[at + 4] .. '|' .. ARGV[at + 5] .. '|', #ARGV[at + 7]
  if head_start ~= '0' then
    assert(tonumber(head_start) >= -DAY and tonumber(head_start) <= DAY, 'a head start is out of its range')
    number = number - head_start * 1000
    order = format('%014x', number)
  end
  deadlines[deadline_in] = deadlines[deadline_in] or format('|%012x', shard.now + deadline_in)
  tries_known[tries] = tries_known[tries] or find(tries, TRIES_TEXT)
  -- and its arrival
  lengths[bytes] = lengths[bytes] or format('%08x|%014x', bytes, shard.now * 1000)
  local stamp = order .. '|' .. ARGV[at + 1] .. deadlines[deadline_in]
  assert(#stamp == layout.STAMP and tokens and tokens <= MOST_TOKENS and tries_known[tries] and #ARGV[at] >= 1
    and #ARGV[at] <= MOST_ID and ALONE[ARGV[at + 6]], 'a request is out of its ranges')
  local wish = (bytes <= dead_bytes and with_body or without_body) .. ALONE[ARGV[at + 6]]
  return stamp .. wish .. tries .. lengths[bytes], stamp, number, tokens
end

return record_of
