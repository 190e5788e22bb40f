-- ms until this owner counts as silent: its time without a refresh is over, and so is a grace, if one began (visit.lua). 0:
-- it is silent. Infinite: it is the caller, or not in `node`: nothing is known of it, as that table may have been lost.
--
-- GIVES  silent_in(owner)
-- WRITES nothing
local caller = require('lib.caller')
local shard = require('lib.shard')
local tables = require('lib.tables')
local call, max = redis.call, math.max

local function silent_in(owner)
  local till = owner ~= caller.node and tonumber(call('ZSCORE', tables.NODE, owner) or nil) or math.huge
  return max(0, max(till + 1, shard.grace) - shard.now)
end

return silent_in
