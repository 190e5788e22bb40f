-- enqueue: put tickets of one owner into line: waiting, their weight to the load, head, due at their deadlines.
--
-- INCLUDE enter weigh
local function enqueue(owner, tickets)
  local waiting, due, first, deadlines = {}, {}, nil, {}
  for i = 1, #tickets do
    local ticket = tickets[i]
    local order, deadline = sub(ticket, #owner + 2, #owner + 15), sub(ticket, #owner + 1 + DEADLINE, #owner + 12 + DEADLINE)
    deadlines[deadline] = deadlines[deadline] or format('%d', tonumber(deadline, 16))
    waiting[2 * i - 1], waiting[2 * i] = '0', ticket
    due[2 * i - 1], due[2 * i] = deadlines[deadline], ticket
    if not first or order < first then
      first = order
    end
  end
  call('ZADD', WAITING, unpack(waiting))
  call('ZADD', DUE, unpack(due))
  call('ZINCRBY', LOAD, format('%d', weigh(tickets, owner)), owner)
  call('ZADD', HEAD, 'LT', format('%d', tonumber(first, 16)), owner)
  if call('ZCARD', WAITING) == #tickets then
    made(WAITING)
    made(LOAD)
    made(HEAD)
  end
end
