-- Rings for work that was there before this call, whoever has room for `need` tokens: for the owner whose head has waited
-- longest. If that head may not be stolen by its age yet, an owner whose load is high enough to be stolen from comes first.
--
-- GIVES  ring_first(need)
-- WRITES nothing
local asks_of = require('lib.asks_of')
local caller = require('lib.caller')
local ring = require('lib.ring')
local stealable_in = require('lib.stealable_in')
local tables = require('lib.tables')
local waits_since = require('lib.waits_since')
local call = redis.call

local function ring_first(need)
  local heads = call('ZRANGE', tables.HEAD, '0', '0', 'WITHSCORES')
  local owner = heads[1]
  if owner and stealable_in(0, waits_since(owner, heads[2]), asks_of({ owner })[1]) > 0 then
    local longest = call('ZREVRANGE', tables.LOAD, '0', '0', 'WITHSCORES')
    owner = tonumber(longest[2] or 0) >= caller.min_load and longest[1] or owner
  end
  if owner then
    ring(owner, need, 0)
  end
end

return ring_first
