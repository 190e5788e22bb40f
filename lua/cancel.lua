-- Ends tickets at once, waiting or claimed, with a final `cancelled` for their owner, and tells their runners.
--
-- INCLUDE end_requests leave
-- ARGV[14..] ticket     to cancel
-- RETURNS status, tick, per ticket and joined by ' ': WAITING or CLAIMED (what it was), ENDED (it had ended before)
-- STATUS OK WAITING CLAIMED ENDED
-- COST   O(n log waiting)
local FIRST = 14
local refused = enter()
if refused then
  return refused
end

local answers, ends, ended = {}, {}, {}
for at = FIRST, #ARGV do
  local ticket = ARGV[at]
  local owner = owner_of(ticket)
  local field = field_of(ticket, owner)
  local record = not ended[field] and call('HGET', REQUEST, field)
  if is_current(record, stamp_of(ticket, owner)) then
    ended[field] = true
    ends[#ends + 1] = { owner = owner, ticket = ticket, field = field, record = record, final = 'cancelled', reason = '' }
    answers[#answers + 1] = is_claimed(record) and 'CLAIMED' or 'WAITING'
  else
    answers[#answers + 1] = 'ENDED'
  end
end
end_requests(ends)
return leave(nil, { 'OK', format('%014x', tick), table.concat(answers, ' ') })
