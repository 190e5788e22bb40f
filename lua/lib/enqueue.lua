-- Puts tickets of one owner in line: waiting, due at their deadlines, load, head. The shard outlasts their deadlines.
--
-- GIVES  enqueue(owner, tickets)
-- WRITES waiting, due, load, head
local layout = require('lib.layout')
local shard = require('lib.shard')
local tables = require('lib.tables')
local weigh = require('lib.weigh')
local call, format, sub = redis.call, string.format, string.sub

local function enqueue(owner, tickets)
  local waiting, due, first, deadlines = {}, {}, nil, {}
  local order_at, deadline_at = #owner + 1 + layout.ORDER, #owner + 1 + layout.DEADLINE
  for i = 1, #tickets do
    local ticket = tickets[i]
    local order, deadline = sub(ticket, order_at, order_at + 13), sub(ticket, deadline_at, deadline_at + 11)
    if not deadlines[deadline] then
      local ms = tonumber(deadline, 16)
      deadlines[deadline] = format('%d', ms)
      shard.outlast(ms)
    end
    waiting[2 * i - 1], waiting[2 * i] = '0', ticket
    due[2 * i - 1], due[2 * i] = deadlines[deadline], ticket
    if not first or order < first then
      first = order
    end
  end
  call('ZADD', tables.WAITING, unpack(waiting))
  call('ZADD', tables.DUE, unpack(due))
  call('ZINCRBY', tables.LOAD, format('%d', weigh(tickets, owner)), owner)
  call('ZADD', tables.HEAD, 'LT', format('%d', tonumber(first, 16)), owner)
  if call('ZCARD', tables.WAITING) == #tickets then
    shard.made(tables.WAITING)
    shard.made(tables.LOAD)
    shard.made(tables.HEAD)
  end
end

return enqueue
