-- Whether the loss of its owner ends this request: its record says so, and its owner is silent. Then `one`, which has owner
-- and record, becomes the end of it.
--
-- GIVES  is_lost(one)
-- WRITES nothing
local layout = require('lib.layout')
local silent_in = require('lib.silent_in')
local REASON = 'its owner was silent for too long (option onOwnerLoss)'

local function is_lost(one)
  if not layout.ends_alone(one.record) or silent_in(one.owner) > 0 then
    return false
  end
  one.final, one.reason = 'cancelled', REASON
  return true
end

return is_lost
