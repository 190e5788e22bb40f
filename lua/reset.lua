-- Ends the caller's waiting requests and the pending tickets that it names, and empties its mailbox, a slice a call. What
-- was dropped is told in the answer, not through `out`.
--
-- ARGV[14] slice        most waiting tickets, and most results, dropped by one call
-- ARGV[15..] ticket     pending tickets of the caller, wherever they are
-- RETURNS status, tick, more (0 or 1), then per dropped ticket: length (4 hex digits), ticket
-- STATUS OK
-- COST   O(slice log waiting)
-- WRITES out
local bounds = require('lib.bounds')
local boxes = require('lib.boxes')
local caller = require('lib.caller')
local dequeue = require('lib.dequeue')
local end_requests = require('lib.end_requests')
local enter = require('lib.enter')
local is_current = require('lib.is_current')
local layout = require('lib.layout')
local leave = require('lib.leave')
local named = require('lib.named')
local shard = require('lib.shard')
local tables = require('lib.tables')
local call, format = redis.call, string.format
local slice, FIRST = tonumber(ARGV[14]), 15
assert(slice >= 1 and slice <= bounds.ITEMS and slice % 1 == 0, 'slice is out of its range')
local slice_text = format('%d', slice)
local asked = named(FIRST, 1, #ARGV - FIRST + 1)
local box_field = caller.node .. '|box'
local refused, calls = enter('put', nil, { '', '', box_field })
if refused then
  return refused
end

local from, to = '[' .. caller.node .. '|', '(' .. caller.node .. '}'
local tickets = call('ZRANGEBYLEX', tables.WAITING, from, to, 'LIMIT', '0', slice_text)
local ends, dropped, seen_fields = {}, {}, {}
local waiting, strays = #tickets, {}
local more = waiting == slice
for i = 1, #asked.tickets do
  tickets[#tickets + 1] = asked.tickets[i]
end
for i = 1, #tickets do
  local ticket = tickets[i]
  local owner = layout.owner_of(ticket)
  local field = layout.field_of(ticket, owner)
  local record = not seen_fields[field] and call('HGET', tables.REQUEST, field)
  if owner == caller.node and is_current(record, layout.stamp_of(ticket, owner)) then
    seen_fields[field] = true
    ends[#ends + 1] = { owner = owner, ticket = ticket, field = field, record = record }
    dropped[#dropped + 1] = format('%04x', #ticket) .. ticket
  elseif i <= waiting then
    strays[#strays + 1] = ticket
  end
end
end_requests(ends)
if #strays > 0 then
  dequeue(caller.node, strays)
end

local beyond = call('ZRANGEBYLEX', tables.OUT, from, to, 'LIMIT', slice_text, '1')[1]
call('ZREMRANGEBYLEX', tables.OUT, from, beyond and '(' .. beyond or to)
if calls[3] and not beyond then
  shard.remember(box_field, boxes.emptied(calls[3]))
end
more = more or beyond ~= nil
return leave('put', { 'OK', format('%014x', shard.tick), (more and '1' or '0') .. table.concat(dropped) })
