-- Gives claimed tickets that the runner refused back to their exact place, raises their owners' loads, and rings.
-- No attempt is counted. A second run finds no holder: LOST, and nothing changes.
--
-- INCLUDE enqueue is_held_by ring leave
-- ARGV[14..] ticket fence  of a claim
-- RETURNS status, tick, per ticket and joined by ' ': OK, LOST
-- STATUS OK LOST
-- COST   O(n log waiting)
local FIRST, WIDTH = 14, 2
local refused = enter()
if refused then
  return refused
end

local answers, marks, lines, given = {}, {}, {}, {}
for at = FIRST, #ARGV, WIDTH do
  local ticket = ARGV[at]
  local owner = owner_of(ticket)
  local field = field_of(ticket, owner)
  local record = not given[field] and call('HGET', REQUEST, field)
  if is_held_by(record, stamp_of(ticket, owner), ARGV[at + 1]) then
    given[field] = true
    marks[#marks + 1], marks[#marks + 2] = field, sub(record, 1, WAITING_LENGTH)
    lines[owner] = lines[owner] or {}
    table.insert(lines[owner], ticket)
    answers[#answers + 1] = 'OK'
  else
    answers[#answers + 1] = 'LOST'
  end
end

if #marks > 0 then
  call('HSET', REQUEST, unpack(marks))
  call('ZREM', IDLE, node)
  for owner, tickets in pairs(lines) do
    enqueue(owner, tickets)
    ring(owner, 0)
  end
end
return leave(nil, { 'OK', format('%014x', tick), table.concat(answers, ' ') })
