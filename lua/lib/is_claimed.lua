-- Whether the record is of a claimed request: a waiting one has no fence and no runner, but it may have pauses (pauses.lua).
--
-- GIVES  is_claimed(record)
-- WRITES nothing
local layout = require('lib.layout')
local sub = string.sub

local function is_claimed(record)
  return #record > layout.WAITING_LENGTH and sub(record, layout.HOLDER - 1, layout.HOLDER - 1) == '|'
end

return is_claimed
