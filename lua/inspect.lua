-- A read-only snapshot whose cost does not depend on the number waiting; at most 1,000 owners and nodes are listed.
--
-- INCLUDE tables
-- RETURNS ms of the server, the shard's fields and values, load (owner, load), head (owner, order), nodes (node, alive
--         until), idle (runner, until), sizes: waiting request body due out dead, overdue
-- STATUS
-- COST   O(owners + nodes)
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
  now, call('HGETALL', SHARD), listed(LOAD), listed(HEAD), listed(NODE), listed(IDLE),
  { text(call('ZCARD', WAITING)), text(call('HLEN', REQUEST)), text(call('HLEN', BODY)), text(call('ZCARD', DUE)),
    text(call('ZCARD', OUT)), text(call('XLEN', DEAD)), text(call('ZCOUNT', DUE, '-inf', now)) },
}
