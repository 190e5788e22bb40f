-- Takes from each line what leaves it with this claim. A peer's line without a ticket is written too: it corrects an owner
-- that is in `load` and `head` and has none in line. Answers whether one of the lines is blocked.
--
-- GIVES  shorten(lines, take)
-- WRITES nothing
local dequeue = require('lib.dequeue')
local peek = require('lib.peek')

local function shorten(lines, take)
  local blocked = false
  for i = 1, #lines do
    local line = lines[i]
    blocked = blocked or line.blocked
    if #line.gone > 0 or i > 1 and #line.tickets == 0 then
      peek(line, take)
      dequeue(line.owner, line.gone, line.order or false)
    end
  end
  return blocked
end

return shorten
