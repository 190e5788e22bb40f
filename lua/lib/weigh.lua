-- weigh: what waiting tickets of one owner add to its load. In tokens each counts at least 1, so that whoever has one
-- in line has a load.
--
-- INCLUDE ticket
local function weight_of(ticket, owner)
  return load_unit == 'requests' and 1 or max(1, hex(ticket, #owner + 1 + TOKENS, 8))
end

local function weigh(tickets, owner)
  if load_unit == 'requests' then
    return #tickets
  end
  local sum = 0
  for i = 1, #tickets do
    sum = sum + weight_of(tickets[i], owner)
  end
  return sum
end
