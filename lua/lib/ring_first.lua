-- Rings for work that was there before this call: for the owner whose head has waited longest. If that head may not be
-- stolen by its age yet, an owner whose load is high enough to be stolen from comes first.
--
-- GIVES  ring_first()
-- WRITES nothing
local asks_of = require('lib.asks_of')
local caller = require('lib.caller')
local ring = require('lib.ring')
local stealable_in = require('lib.stealable_in')
local tables = require('lib.tables')
local call = redis.call

local function ring_first()
  local heads = call('ZRANGE', tables.HEAD, '0', '0', 'WITHSCORES')
  local owner = heads[1]
  if owner and stealable_in(0, heads[2], asks_of({ owner })[1]) > 0 then
    local longest = call('ZREVRANGE', tables.LOAD, '0', '0', 'WITHSCORES')
    owner = tonumber(longest[2] or 0) >= caller.min_load and longest[1] or owner
  end
  if owner then
    ring(owner, 0)
  end
end

return ring_first
