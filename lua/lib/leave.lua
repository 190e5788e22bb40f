-- Ends every call of a node: stores the tick and the noted fields, remembers the lane's answer, and gives the tables
-- that this call made the shard's one expiry. Answers the reply.
--
-- `lane`: as in `enter`. `kept`: the highest tick that the call has stored already, if it reserved ticks. `expiry`: ms
-- when all tables of the shard expire from now on; nil: it stays.
--
-- GIVES  leave(lane, reply, kept, expiry)
-- WRITES shard, calls, fresh (only their expiry)
local caller = require('lib.caller')
local shard = require('lib.shard')
local tables = require('lib.tables')
local call, format = redis.call, string.format

local function leave(lane, reply, kept, expiry)
  local fresh = shard.fresh
  if expiry then
    fresh = KEYS
    shard.note('expiry', expiry)
  end
  if shard.ticked and shard.tick > (kept or 0) then
    shard.note('tick', format('%014x', shard.tick))
  end
  if #shard.notes > 0 then
    call('HSET', tables.SHARD, unpack(shard.notes))
  end
  if lane then
    call('HSET', tables.CALLS, caller.node .. '|' .. lane, caller.lane_call .. reply[3])
  end
  for i = 1, #fresh do
    call('PEXPIREAT', fresh[i], expiry or shard.expiry)
  end
  return reply
end

return leave
