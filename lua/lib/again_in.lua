-- ms until the first of the peers with the oldest heads may be stolen from by its age; '-1' if there is none.
--
-- GIVES  again_in()
-- WRITES nothing
local asks_of = require('lib.asks_of')
local caller = require('lib.caller')
local stealable_in = require('lib.stealable_in')
local tables = require('lib.tables')
local call, format, max, min = redis.call, string.format, math.max, math.min
local LAST = '7'

local function again_in()
  local heads = caller.policy ~= 'none' and call('ZRANGE', tables.HEAD, '0', LAST, 'WITHSCORES') or {}
  local owners, orders, again = {}, {}, nil
  for i = 1, #heads, 2 do
    if heads[i] ~= caller.node then
      owners[#owners + 1], orders[#orders + 1] = heads[i], heads[i + 1]
    end
  end
  local asks = asks_of(owners)
  for i = 1, #owners do
    again = min(again or math.huge, stealable_in(0, orders[i], asks[i]))
  end
  return again and format('%d', max(1, again)) or '-1'
end

return again_in
