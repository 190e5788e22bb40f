-- ms until the first of the peers with the oldest heads may be stolen from by its age; '-1' if there is none. One that may
-- be already has nothing for the caller, and neither has one of the `lines` that it looked through to the end.
-- `from`: rank of the first head that the call looked at.
--
-- GIVES  again_in(lines, from)
-- WRITES nothing
local asks_of = require('lib.asks_of')
local caller = require('lib.caller')
local stealable_in = require('lib.stealable_in')
local tables = require('lib.tables')
local waits_since = require('lib.waits_since')
local call, format, min = redis.call, string.format, math.min
-- heads that are read beyond those lines
local MORE = 7

local function again_in(lines, from)
  local looked_through = { [caller.node] = true }
  for i = 1, #lines do
    looked_through[lines[i].owner] = lines[i].stays and not lines[i].ticket or lines[i].owner == caller.node
  end
  local first, last = format('%d', from), format('%d', from + #lines + MORE)
  local heads = caller.policy ~= 'none' and call('ZRANGE', tables.HEAD, first, last, 'WITHSCORES') or {}
  local owners, orders, again = {}, {}, nil
  for i = 1, #heads, 2 do
    if not looked_through[heads[i]] then
      owners[#owners + 1], orders[#orders + 1] = heads[i], heads[i + 1]
    end
  end
  local asks = asks_of(owners)
  for i = 1, #owners do
    local free_in = stealable_in(0, waits_since(owners[i], orders[i]), asks[i])
    again = free_in > 0 and min(again or math.huge, free_in) or again
  end
  return again and format('%d', again) or '-1'
end

return again_in
