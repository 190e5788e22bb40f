-- Ends tickets at once, waiting or claimed, with a final for their owner, and tells their runners. One that failed or
-- expired is kept in `dead` if its owner wants that.
--
-- ARGV[14] final        cancelled; expired: their owner's clock says that their deadline has passed; failed: their owner has
--                       failed them, as it cannot go on with their results
-- ARGV[15] reason       why
-- ARGV[16..] ticket     to end
-- RETURNS status, tick, per ticket and joined by ' ': WAITING or CLAIMED (what it was), ENDED (it had ended before)
-- STATUS OK WAITING CLAIMED ENDED
-- COST   O(n log waiting)
-- WRITES nothing
local end_requests = require('lib.end_requests')
local enter = require('lib.enter')
local is_claimed = require('lib.is_claimed')
local is_current = require('lib.is_current')
local leave = require('lib.leave')
local named = require('lib.named')
local shard = require('lib.shard')
local tables = require('lib.tables')
local call, format = redis.call, string.format
local final, reason = ARGV[14], ARGV[15]
local FIRST = 16
assert(final == 'cancelled' or final == 'expired' or final == 'failed', 'an argument is out of its range')
local asked = named(FIRST, 1, #ARGV - FIRST + 1)
local refused = enter()
if refused then
  return refused
end

local answers, ends, ended = {}, {}, {}
for i = 1, #asked.tickets do
  local field = asked.fields[i]
  local record = not ended[field] and call('HGET', tables.REQUEST, field)
  if is_current(record, asked.stamps[i]) then
    ended[field] = true
    ends[#ends + 1] = { owner = asked.owners[i], ticket = asked.tickets[i], field = field, record = record,
      final = final, reason = reason }
    answers[i] = is_claimed(record) and 'CLAIMED' or 'WAITING'
  else
    answers[i] = 'ENDED'
  end
end
end_requests(ends)
return leave(nil, { 'OK', format('%014x', shard.tick), table.concat(answers, ' ') })
