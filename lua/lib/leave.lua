-- Ends every call of a node: stores the tick, the noted fields and those to remember, with the lane's answer, and gives the
-- shard's one expiry to the tables that this call made, or to all if it moved. Answers the reply.
--
-- `lane`: as in `enter`. `kept`: the highest tick that the call has stored already, if it reserved ticks. `all`: every
-- table is given the expiry, should one have lost it.
--
-- GIVES  leave(lane, reply, kept, all)
-- WRITES shard, calls, fresh (only their expiry)
local caller = require('lib.caller')
local shard = require('lib.shard')
local tables = require('lib.tables')
local call, format = redis.call, string.format

local function leave(lane, reply, kept, all)
  local fresh = (all or shard.moved) and KEYS or shard.fresh
  if shard.moved then
    shard.note('expiry', shard.expiry)
  end
  if shard.ticked and shard.tick > (kept or 0) then
    shard.note('tick', format('%014x', shard.tick))
  end
  if #shard.notes > 0 then
    call('HSET', tables.SHARD, unpack(shard.notes))
  end
  if lane then
    shard.remember(caller.node .. '|' .. lane, caller.lane_call .. reply[3])
  end
  if #shard.marks > 0 then
    call('HSET', tables.CALLS, unpack(shard.marks))
  end
  for i = 1, #fresh do
    call('PEXPIREAT', fresh[i], shard.expiry)
  end
  return reply
end

return leave
