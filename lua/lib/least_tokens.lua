-- The least prompt tokens of these tickets of one owner.
--
-- GIVES  least_tokens(tickets, owner)
-- WRITES nothing
local layout = require('lib.layout')
local min = math.min

local function least_tokens(tickets, owner)
  local least = math.huge
  for i = 1, #tickets do
    least = min(least, layout.hex(tickets[i], #owner + 1 + layout.TOKENS, 8))
  end
  return least
end

return least_tokens
