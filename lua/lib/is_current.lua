-- Whether there is a record and it is of the ticket with this stamp, not of a later request with the same id.
--
-- GIVES  is_current(record, stamp)
-- WRITES nothing
local layout = require('lib.layout')
local sub = string.sub

local function is_current(record, stamp)
  return record and sub(record, 1, layout.STAMP) == stamp
end

return is_current
