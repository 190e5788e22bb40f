-- Takes work: pops own tickets and lowers the own load, or steals from the peer that the policy names and lowers the
-- peer's; writes runner and fence, and leases them. With nothing to take the caller enters `idle`. With limit 0 it
-- only rings: a busy node passes a wake-up on.
--
-- INCLUDE visit due pick dequeue stealable_in leave
-- DEFER reap end_requests pick_lucky pick_oldest ring_first
-- ARGV[14] limit        most tickets
-- ARGV[15] alone_tokens most tokens of the call's first ticket
-- ARGV[16] sum_tokens   most tokens of all tickets, if there are several
-- ARGV[17] total_tokens most tokens of a peer's ticket: what the caller's engine can ever hold
-- ARGV[18] max_bytes    no body is added beyond, but for the first
-- ARGV[19] since        order from which own tickets' bodies are in the caller's memory, 14 hex digits
-- ARGV[20] idle_for     ms for which the caller is believed idle if it gets nothing
-- ARGV[21] entropy      integer that seeds the choice of the lucky peer
-- RETURNS status, tick, claims: fence, tries left, tries spent (14, 2, 2 hex digits), b if its body follows else -,
--         length (4 hex digits), ticket; then ms until a peer's head may be stolen and ms to the first due (-1: none),
--         bodies
-- STATUS OK IDLE BLOCKED
-- COST   O(limit log waiting)
local limit, max_bytes, idle_for = tonumber(ARGV[14]), tonumber(ARGV[18]), tonumber(ARGV[20])
local REAP = 16
local refused = enter('claim')
if refused then
  return refused
end
visit()
if is_due() then
  reap(REAP)
end

local bounds = { limit = limit, alone = tonumber(ARGV[15]), sum = tonumber(ARGV[16]), total = tonumber(ARGV[17]),
  bytes = max_bytes, since = ARGV[19], looks = limit + 100 }
local lines, own = {}, open_line(node)
if limit > 0 then
  lines = policy == 'oldest' and pick_oldest(own, bounds) or pick_lucky(own, bounds, tonumber(ARGV[21]))
end

local marks, dues, fields, claims, blocked, first = {}, {}, {}, {}, false, math.huge
local lease_end, lengths = format('%d', now + lease), {}
for i = 1, #picks do
  local one = picks[i]
  local fence, length = next_tick(), #one.ticket
  lengths[length] = lengths[length] or format('%04x', length)
  marks[2 * i - 1], marks[2 * i] = one.field, one.record .. '|' .. fence .. '|' .. node
  first = min(first, now + lease, one.deadline)
  dues[2 * i - 1] = one.deadline < now + lease and format('%d', one.deadline) or lease_end
  dues[2 * i] = one.ticket
  claims[i] = fence .. sub(one.record, LEFT, LEFT + 1) .. sub(one.record, SPENT, SPENT + 1) .. (one.body and 'b' or '-')
    .. lengths[length] .. one.ticket
  if one.body then
    fields[#fields + 1] = one.field
  end
end
for i = 1, #lines do
  local line = lines[i]
  blocked = blocked or line.blocked
  if #line.gone > 0 or i > 1 and #line.tickets == 0 then
    peek(line, bounds)
    dequeue(line.owner, line.gone, line.order or false)
  end
end
if #picks > 0 then
  call('HSET', REQUEST, unpack(marks))
  call('ZADD', DUE, unpack(dues))
end
if #expired > 0 then
  end_requests(expired)
end

-- ms until the first of the peers with the oldest heads may be stolen from by its age
local function again_in()
  local heads, owners, orders, again = policy ~= 'none' and call('ZRANGE', HEAD, '0', '7', 'WITHSCORES') or {}, {}, {}, nil
  for i = 1, #heads, 2 do
    if heads[i] ~= node then
      owners[#owners + 1], orders[#orders + 1] = heads[i], heads[i + 1]
    end
  end
  local asks = asks_of(owners)
  for i = 1, #owners do
    again = min(again or math.huge, stealable_in(0, orders[i], asks[i]))
  end
  return again and format('%d', max(1, again)) or '-1'
end

local status, again = #picks > 0 and 'OK' or blocked and 'BLOCKED' or 'IDLE', '-1'
if status == 'IDLE' and limit > 0 then
  call('ZADD', IDLE, format('%d', now + idle_for), node)
  made(IDLE)
  again = again_in()
elseif call('EXISTS', IDLE) == 1 then
  call('ZREM', IDLE, node)
  ring_first()
end
local reply = { status, format('%014x', tick), table.concat(claims), again, next_due(first) }
local bodies = #fields > 0 and call('HMGET', BODY, unpack(fields)) or {}
for i = 1, #bodies do
  reply[5 + i] = bodies[i] or ''
end
return leave('claim', reply)
