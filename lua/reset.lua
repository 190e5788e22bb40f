-- Ends the caller's waiting requests and the pending tickets it names, and empties its mailbox, a slice a call. What was
-- dropped is told in the answer, not through `out`.
--
-- INCLUDE end_requests leave
-- ARGV[14] slice        most waiting tickets, and most results, dropped by one call
-- ARGV[15..] ticket     pending tickets of the caller, wherever they are
-- RETURNS status, tick, more (0 or 1), then per dropped ticket: length (4 hex digits), ticket
-- STATUS OK
-- COST   O(slice log waiting)
local slice, FIRST = ARGV[14], 15
local refused = enter('put')
if refused then
  return refused
end

local from, to = '[' .. node .. '|', '(' .. node .. '}'
local tickets, ends, dropped, seen_fields = call('ZRANGEBYLEX', WAITING, from, to, 'LIMIT', '0', slice), {}, {}, {}
local waiting, strays = #tickets, {}
local more = waiting == tonumber(slice)
for at = FIRST, #ARGV do
  tickets[#tickets + 1] = ARGV[at]
end
for i = 1, #tickets do
  local ticket = tickets[i]
  local owner = owner_of(ticket)
  local field = field_of(ticket, owner)
  local record = not seen_fields[field] and call('HGET', REQUEST, field)
  if owner == node and is_current(record, stamp_of(ticket, owner)) then
    seen_fields[field] = true
    ends[#ends + 1] = { owner = owner, ticket = ticket, field = field, record = record }
    dropped[#dropped + 1] = format('%04x', #ticket) .. ticket
  elseif i <= waiting then
    strays[#strays + 1] = ticket
  end
end
end_requests(ends)
if #strays > 0 then
  dequeue(node, strays)
end

local beyond = call('ZRANGEBYLEX', OUT, from, to, 'LIMIT', slice, '1')[1]
call('ZREMRANGEBYLEX', OUT, from, beyond and '(' .. beyond or to)
more = more or beyond ~= nil
return leave('put', { 'OK', format('%014x', tick), (more and '1' or '0') .. table.concat(dropped) })
