-- Whether this node gave the request of the record back, and is not to be woken for it yet (pauses.lua).
--
-- GIVES  is_aside(record, node)
-- WRITES nothing
local pauses = require('lib.pauses')

local function is_aside(record, node)
  local ms = pauses.left(record, node, true)
  return ms > 0
end

return is_aside
