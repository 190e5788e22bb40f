-- A read-only snapshot. Its cost does not depend on how many requests wait; at most 1,000 owners and nodes are listed.
--
-- RETURNS ms of the server, the shard's fields and values, load (owner, load), head (owner, order), nodes (node, alive
--         until), idle (runner, until), sizes: waiting request body due out dead, overdue
-- STATUS
-- COST   O(owners + nodes)
-- WRITES nothing
local tables = require('lib.tables')
local call, floor, format = redis.call, math.floor, string.format
local LAST = '999'
local time = call('TIME')
local now = format('%d', floor(time[1] * 1000 + time[2] / 1000))
local function listed(key)
  return call('ZRANGE', key, '0', LAST, 'WITHSCORES')
end
local function text(count)
  return format('%d', count)
end
return {
  now, call('HGETALL', tables.SHARD), listed(tables.LOAD), listed(tables.HEAD), listed(tables.NODE), listed(tables.IDLE),
  { text(call('ZCARD', tables.WAITING)), text(call('HLEN', tables.REQUEST)), text(call('HLEN', tables.BODY)),
    text(call('ZCARD', tables.DUE)), text(call('ZCARD', tables.OUT)), text(call('XLEN', tables.DEAD)),
    text(call('ZCOUNT', tables.DUE, '-inf', now)) },
}
