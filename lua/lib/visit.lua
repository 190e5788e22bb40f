-- A claim or a refresh looks at the shard. Answers `grace`: until then (ms) claims whose lease has ended are left alone, and
-- nobody counts as silent (silent_in.lua).
--
-- A grace of one lease begins if nobody looked for more than half a lease: after a failover, a paused machine or a step
-- of the clock. So an outage does not take everybody's claims away. A silence begins one only if the last visit before
-- it came after the end of the previous grace: a rarely visited shard is reaped too.
--
-- GIVES  visit()
-- WRITES nothing
local caller = require('lib.caller')
local shard = require('lib.shard')
local format = string.format

local function visit()
  local visited = tonumber(shard.stored[3] or 0)
  if shard.now - visited > caller.lease / 2 and visited > shard.grace then
    shard.begin_grace(shard.now + caller.lease)
  end
  shard.note('visited', format('%d', shard.now))
  shard.next_tick()
  return shard.grace
end

return visit
