-- A new node, or one that took its name over, or goes on under a higher epoch: nothing that the shard remembers of the
-- calls of its name holds. Results that wait for it stay, but who runs its requests tells it again which claims they are of:
-- its box has a new `intro` (boxes.lua). `known`: the epoch that stood, or nil. `calls`, `fields`: what `enter` read.
--
-- GIVES  new_epoch(known, calls, fields)
-- WRITES calls, node
local caller = require('lib.caller')
local shard = require('lib.shard')
local tables = require('lib.tables')
local call, format, sub = redis.call, string.format, string.sub

local function new_epoch(known, calls, fields)
  local node = caller.node
  if known then
    call('HDEL', tables.CALLS, node .. '|put', node .. '|claim', node .. '|result', node .. '|asks', node .. '|room',
      node .. '|held', node .. '|taken')
  end
  local field = node .. '|box'
  local box = call('HGET', tables.CALLS, field)
  if box then
    box = shard.next_tick() .. sub(box, 15)
    call('HSET', tables.CALLS, field, box)
    for i = 3, #fields do
      calls[i] = fields[i] == field and box or calls[i]
    end
  end
  call('HSET', tables.CALLS, node, caller.epoch)
  call('ZADD', tables.NODE, format('%d', shard.now + caller.lease), node)
  shard.made(tables.CALLS)
  shard.made(tables.NODE)
end

return new_epoch
