-- The ticket in front of the line, or nil. Tickets are read as many as the call may still take, and one to be the head; more
-- where one was stepped over.
--
-- GIVES  peek(line, take)
-- WRITES nothing
local lines = require('lib.lines')

local function peek(line, take)
  return lines.front(line, line.stays and take.looks + 1 or take.limit - #take.picks + 1)
end

return peek
