-- The ticket in front of the line, or nil. Tickets are read as many as the call may still take, and one to be the head.
--
-- GIVES  peek(line, take)
-- WRITES nothing
local queue = require('lib.queue')

local function peek(line, take)
  return queue.front(line, take.limit - #take.picks + 1)
end

return peek
