-- Rings for work that was there before this call, whoever has room for `need` tokens: of the oldest heads, for the first
-- that may be stolen now. If none may be, an owner whose load is high enough to be stolen from comes first, else the oldest.
--
-- GIVES  ring_first(need)
-- WRITES nothing
local asks_of = require('lib.asks_of')
local caller = require('lib.caller')
local has_fronts = require('lib.has_fronts')
local ring = require('lib.ring')
local stealable_in = require('lib.stealable_in')
local tables = require('lib.tables')
local waits_since = require('lib.waits_since')
local call = redis.call
-- rank of the last head that is looked at, if a front's may be behind older ones that their owners keep
local LAST = '7'

-- the owner of the first of these heads that may be stolen now
local function first_free(heads)
  local owners = {}
  for i = 1, #heads, 2 do
    owners[#owners + 1] = heads[i]
  end
  local asks = asks_of(owners)
  for i = 1, #owners do
    if stealable_in(0, waits_since(owners[i], heads[2 * i]), asks[i]) == 0 then
      return owners[i]
    end
  end
end

local function ring_first(need)
  local heads = call('ZRANGE', tables.HEAD, '0', has_fronts() and LAST or '0', 'WITHSCORES')
  if #heads == 0 then
    return
  end
  local owner = first_free(heads)
  if not owner then
    local longest = call('ZREVRANGE', tables.LOAD, '0', '0', 'WITHSCORES')
    owner = tonumber(longest[2] or 0) >= caller.min_load and longest[1] or heads[1]
  end
  ring(owner, need, 0)
end

return ring_first
