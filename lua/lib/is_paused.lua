-- Whether the caller gave this candidate back and does not take it yet. Then the call looks behind it, and notes it.
--
-- GIVES  is_paused(one, take)
-- WRITES nothing
local caller = require('lib.caller')
local pauses = require('lib.pauses')
local wanted = require('lib.wanted')
local min = math.min

local function is_paused(one, take)
  local ms = pauses.left(one.record, caller.node, one.tokens <= wanted.elsewhere)
  if ms == 0 then
    return false
  end
  take.paused, take.aside, take.free_in = take.paused + 1, take.aside or one, min(take.free_in, ms)
  return true
end

return is_paused
