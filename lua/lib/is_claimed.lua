-- Whether the record is of a claimed request: a waiting one has no fence and no runner.
--
-- GIVES  is_claimed(record)
-- WRITES nothing
local layout = require('lib.layout')

local function is_claimed(record)
  return #record > layout.WAITING_LENGTH
end

return is_claimed
