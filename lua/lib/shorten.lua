-- Takes from each line what leaves it with this claim. A peer's line without a ticket is written too: it corrects an owner
-- that is in `load` and `head` and has none in line. Answers the least tokens of the tickets that the call came to and did
-- not look at, infinite if it knows of none.
--
-- GIVES  shorten(lines, take)
-- WRITES nothing
local caller = require('lib.caller')
local dequeue = require('lib.dequeue')
local layout = require('lib.layout')
local peek = require('lib.peek')
local min = math.min

local function shorten(lines, take)
  local least = math.huge
  for i = 1, #lines do
    local line = lines[i]
    local is_short = #line.gone > 0 or line.owner ~= caller.node and not line.stays and #line.tickets == 0
    -- a call that is full has not looked at what it left in front
    peek(line, take)
    if is_short then
      dequeue(line.owner, line.gone, line.stays or line.order or false)
    end
    if take.full and line.ticket then
      least = min(least, layout.hex(line.ticket, #line.owner + 1 + layout.TOKENS, 8))
    end
  end
  return least
end

return shorten
