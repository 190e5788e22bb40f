-- Forgets nodes that were silent for the shard's ttl: their calls, their idle entry and their mailbox. A large mailbox is
-- removed in slices; its node stays in `node` until the last slice. Answers whether there is more to do.
--
-- GIVES  forget_nodes()
-- WRITES out, calls, idle, node
local shard = require('lib.shard')
local tables = require('lib.tables')
local call, format = redis.call, string.format
-- most nodes forgotten, and most results removed, by one call
local NODES_EACH, SLICE = '8', 1000

local function forget_nodes()
  local before = format('%d', shard.now - shard.ttl)
  local silent = call('ZRANGEBYSCORE', tables.NODE, '-inf', before, 'LIMIT', '0', NODES_EACH)
  for i = 1, #silent do
    local name = silent[i]
    local from, to = '[' .. name .. '|', '(' .. name .. '}'
    local beyond = call('ZRANGEBYLEX', tables.OUT, from, to, 'LIMIT', format('%d', SLICE), '1')[1]
    call('ZREMRANGEBYLEX', tables.OUT, from, beyond and '(' .. beyond or to)
    if beyond then
      return true
    end
    call('HDEL', tables.CALLS, name, name .. '|put', name .. '|claim', name .. '|result', name .. '|asks', name .. '|room',
      name .. '|held', name .. '|taken', name .. '|box')
    call('ZREM', tables.IDLE, name)
    call('ZREM', tables.NODE, name)
  end
  return #silent == tonumber(NODES_EACH)
end

return forget_nodes
