-- What one waiting ticket adds to its owner's load. In tokens it counts at least 1, so that every owner with a ticket in
-- line has a load.
--
-- GIVES  weight_of(ticket, owner)
-- WRITES nothing
local caller = require('lib.caller')
local layout = require('lib.layout')
local max = math.max

local function weight_of(ticket, owner)
  return caller.load_unit == 'requests' and 1 or max(1, layout.hex(ticket, #owner + 1 + layout.TOKENS, 8))
end

return weight_of
