-- A claimed request has lost its runner, and a try. Answers its record as it waits again, one try fewer. With none left
-- `one` becomes the end of it; answers nil. `how`: what its runners did, and `error`: what the last one said, for the
-- reason.
--
-- GIVES  lose_try(one, how, error)
-- WRITES nothing
local layout = require('lib.layout')
local pauses = require('lib.pauses')
local format, sub = string.format, string.sub

local function lose_try(one, how, error)
  local record = one.record
  local tries_left, tries_spent = layout.hex(record, layout.LEFT, 2) - 1, layout.hex(record, layout.SPENT, 2) + 1
  if tries_left > 0 then
    return sub(record, 1, layout.LEFT - 1) .. format('%02x|%02x', tries_left, tries_spent)
      .. sub(record, layout.BYTES - 1, layout.WAITING_LENGTH) .. pauses.lost(record)
  end
  one.final, one.dead, one.error = 'failed', 'lost', error
  one.reason = 'no tries left: ' .. format('%d', tries_spent) .. ' runners ' .. how .. error
end

return lose_try
