-- ms until an owner with this load, and a head that waits since then (ms, see waits_since.lua), may be stolen from; 0: now.
-- An owner that said when it claims by itself (`asks_at`, see asks_of.lua) keeps its requests until then, unless it is
-- overloaded. A front keeps none, nor does who left its own to others: there is nobody to wait for.
--
-- GIVES  stealable_in(load, since, asks_at)
-- WRITES nothing
local caller = require('lib.caller')
local shard = require('lib.shard')
local max = math.max

local function stealable_in(load, since, asks_at)
  return (load >= caller.min_load or asks_at < 0) and 0
    or max(0, math.ceil(caller.steal_after - (shard.now - since)), asks_at - shard.now)
end

return stealable_in
