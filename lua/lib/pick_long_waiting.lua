-- Takes one ticket of a peer that has waited for the patience and is before all of the own line, so that under `lucky` an
-- engine whose own line never empties strands nobody. The oldest comes first. It is looked for among so few tickets that
-- what the engine cannot take leaves the call enough looks for the own line.
--
-- GIVES  pick_long_waiting(own, opened, take)
-- WRITES nothing
local heads = require('lib.heads')
local peek = require('lib.peek')
local pick_head = require('lib.pick_head')
local wanted = require('lib.wanted')
-- most tickets that are looked at, and the heads that are read at first
local TICKETS = 8

local function pick_long_waiting(own, opened, take)
  local order, all = peek(own, take) and own.order or math.huge, heads.open(0, TICKETS)
  for _ = 1, TICKETS do
    local peer = heads.oldest_before(all, order, wanted.patience)
    if not peer then
      break
    end
    pick_head(all, peer, opened, take)
    if take.full or #take.picks > 0 then
      break
    end
  end
end

return pick_long_waiting
