-- The runner that keeps room for a ticket of this shard, and that ticket (lua/README.md#what-does-not-fit): the field `kept`
-- of the table `shard` is runner|until (ms, 12 hex digits)|ticket. Nil: nobody keeps room, or that time is over.
--
-- GIVES  kept_by()
-- WRITES nothing
local shard = require('lib.shard')
local match = string.match

local function kept_by()
  local runner, till, ticket = match(shard.stored[6], '^([^|]+)|(%x+)|([^|]+|%x+|%x+|%x+|.+)$')
  if runner and tonumber(till, 16) > shard.now then
    return runner, ticket
  end
end

return kept_by
