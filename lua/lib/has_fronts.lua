-- Whether the shard may have fronts (lua/README.md#fronts). A topic without any pays nothing for what is looked at only then.
--
-- GIVES  has_fronts()
-- WRITES nothing
local shard = require('lib.shard')

local function has_fronts()
  return tonumber(shard.stored[7] or 0) > shard.now
end

return has_fronts
