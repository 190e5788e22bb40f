-- The policy `oldest`: one line across owners. The own line comes first, unless the peer with the least head that may be
-- stolen from is older by more than steal_after. This is first come first served over the fleet, by intent. A call that
-- asks on leaves out the own line and the heads that were looked at. Answers the lines that were read.
--
-- GIVES  pick_oldest(take)
-- WRITES nothing
local caller = require('lib.caller')
local heads = require('lib.heads')
local lines = require('lib.lines')
local peek = require('lib.peek')
local pick = require('lib.pick')
local pick_head = require('lib.pick_head')
local wanted = require('lib.wanted')
local max = math.max
-- heads that are read beyond the limit, as some of them may not be stolen from
local SPARE = 7

local function pick_oldest(take)
  local own, all = lines.open(caller.node), heads.open(max(0, wanted.ask_on - 1), take.limit + SPARE)
  local opened = { own }
  if wanted.ask_on == 0 and not all.own then
    own.from = nil
  end
  while not take.full do
    local mine = wanted.ask_on == 0 and peek(own, take)
    local peer = heads.oldest_before(all, mine and own.order - caller.steal_after * 1000 or math.huge, 0)
    if peer then
      pick_head(all, peer, opened, take)
    elseif mine then
      pick(own, take)
    else
      break
    end
  end
  take.next = (take.spent and all.opened or all.last) + 1
  take.spent = take.spent or not take.full and all.more
  return opened
end

return pick_oldest
