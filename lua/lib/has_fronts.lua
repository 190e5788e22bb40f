-- Whether the shard may have fronts (lua/README.md#fronts): what is looked at only then costs a topic without any nothing.
--
-- GIVES  has_fronts()
-- WRITES nothing
local shard = require('lib.shard')

local function has_fronts()
  return tonumber(shard.stored[7] or 0) > shard.now
end

return has_fronts
