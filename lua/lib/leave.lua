-- leave: what every call of a node ends with: the tick is kept, the lane's answer remembered, and tables that this
-- call made get the shard's one expiry. Answers the reply.
--
-- INCLUDE enter
local function leave(lane, reply)
  if ticked and tick > kept then
    note('tick', format('%014x', tick))
  end
  if #notes > 0 then
    call('HSET', SHARD, unpack(notes))
  end
  if lane then
    call('HSET', CALLS, node .. '|' .. lane, lane_call .. reply[3])
  end
  for i = 1, #fresh do
    call('PEXPIREAT', fresh[i], expiry)
  end
  return reply
end
