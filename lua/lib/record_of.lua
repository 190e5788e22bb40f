-- The record of a new request that waits, from its arguments at `at` (put_requests.lua), under the next tick. `deadline_in`:
-- ms from now. Also answers its order as a number. Called before the first write: whatever is out of its range, and would
-- shift the fields of a record, ends the call.
--
-- GIVES  record_of(at, deadline_in)
-- WRITES nothing
local layout = require('lib.layout')
local shard = require('lib.shard')
local find, format = string.find, string.format
local MOST_ID, DAY = 512, 86400000
local HEX = '^%x+|%x+|%x+|%x+|%x+|%x+|%x+$'
-- texts of numbers that repeat: most requests of a call have the same deadline, many the same length
local deadlines, lengths = {}, {}

local function record_of(at, deadline_in)
  local order, head_start, bytes = shard.next_tick(), tonumber(ARGV[at + 3]), #ARGV[at + 6]
  local number = shard.tick - head_start * 1000
  if head_start ~= 0 then
    order = format('%014x', number)
  end
  deadlines[deadline_in] = deadlines[deadline_in] or format('%012x', shard.now + deadline_in)
  lengths[bytes] = lengths[bytes] or format('%08x', bytes)
  local stamp = order .. '|' .. ARGV[at + 1] .. '|' .. deadlines[deadline_in]
  local record = stamp .. '|' .. ARGV[at + 4] .. '|' .. ARGV[at + 5] .. '|' .. lengths[bytes]
    .. format('|%012x', shard.now)
  assert(#stamp == layout.STAMP and #record == layout.WAITING_LENGTH and find(record, HEX) and #ARGV[at] >= 1
    and #ARGV[at] <= MOST_ID and head_start >= -DAY and head_start <= DAY, 'a request is out of its ranges')
  return record, number
end

return record_of
