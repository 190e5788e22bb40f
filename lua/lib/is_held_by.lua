-- Whether the record is of the ticket with this stamp, and is claimed under this fence.
--
-- GIVES  is_held_by(record, stamp, fence)
-- WRITES nothing
local is_claimed = require('lib.is_claimed')
local is_current = require('lib.is_current')
local layout = require('lib.layout')
local sub = string.sub

local function is_held_by(record, stamp, fence)
  return is_current(record, stamp) and is_claimed(record) and sub(record, layout.HOLDER, layout.HOLDER + 13) == fence
end

return is_held_by
