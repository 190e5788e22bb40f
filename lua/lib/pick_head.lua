-- Decides about the ticket in front of a peer's line. The line is opened first, if it is not among those `opened` with these
-- heads. `all` and `peer`: see heads.lua.
--
-- GIVES  pick_head(all, peer, opened, take)
-- WRITES nothing
local lines = require('lib.lines')
local peek = require('lib.peek')
local pick = require('lib.pick')
local waits_since = require('lib.waits_since')

local function pick_head(all, peer, opened, take)
  if not peer.line then
    peer.line, peer.whole, all.opened = lines.open(peer.owner), peer.load, peer.rank
    opened[#opened + 1] = peer.line
  end
  local line = peer.line
  pick(line, take)
  peek(line, take)
  peer.order, peer.load = line.order, peer.whole - line.passed
  -- a head that stays goes on saying since when the line waits
  if line.order and not line.stays then
    local _, _, record = lines.request(line)
    peer.since = waits_since(peer.owner, line.order, record)
  end
end

return pick_head
