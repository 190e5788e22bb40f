-- Since when the first ticket of a line waits, ms. Its order says so, unless that lies ahead of the clock: by a negative
-- priority, or as the ticks are ahead (a failover to a server whose clock is behind). Then it is its arrival.
--
-- `record`: of that ticket; nil: it is read.
--
-- GIVES  waits_since(owner, order, record)
-- WRITES nothing
local shard = require('lib.shard')

local function waits_since(owner, order, record)
  local since = order / 1000
  return since <= shard.now and since or require('lib.arrival_of')(owner, record)
end

return waits_since
