-- What waiting tickets of one owner add to its load.
--
-- GIVES  weigh(tickets, owner)
-- WRITES nothing
local caller = require('lib.caller')
local weight_of = require('lib.weight_of')

local function weigh(tickets, owner)
  if caller.load_unit == 'requests' then
    return #tickets
  end
  local sum = 0
  for i = 1, #tickets do
    sum = sum + weight_of(tickets[i], owner)
  end
  return sum
end

return weigh
