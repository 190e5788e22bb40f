-- The policy `oldest`: one line across owners. The own line comes first, unless the peer with the least head that may be
-- stolen from is older by more than steal_after. This is first come first served over the fleet, by intent. Of 50 heads
-- only as many are read as can decide. Answers the lines that were read, the own line first.
--
-- GIVES  pick_oldest(take)
-- WRITES nothing
local asks_of = require('lib.asks_of')
local caller = require('lib.caller')
local peek = require('lib.peek')
local pick = require('lib.pick')
local lines = require('lib.lines')
local stealable_in = require('lib.stealable_in')
local tables = require('lib.tables')
local call, format, min = redis.call, string.format, math.min
-- most heads that are read; heads that are read beyond the limit, as some of them may not be stolen from
local HEADS, SPARE = 50, 7

-- `heads`: { peers in the order of their heads, read: how many heads were read, horizon: the least order of any other }
local function read_heads(heads, count)
  local from, to = format('%d', heads.read), format('%d', heads.read + count - 1)
  local found, names, peers = call('ZRANGE', tables.HEAD, from, to, 'WITHSCORES'), {}, heads.peers
  local known = #peers
  for i = 1, #found, 2 do
    if found[i] ~= caller.node then
      local order = tonumber(found[i + 1])
      names[#names + 1] = found[i]
      peers[#peers + 1] = { owner = found[i], first = order, order = order }
    end
  end
  local loads, asks = #names > 0 and call('ZMSCORE', tables.LOAD, unpack(names)) or names, asks_of(names)
  for i = 1, #loads do
    peers[known + i].load, peers[known + i].asks_at = tonumber(loads[i] or 0), asks[i]
  end
  heads.read = heads.read + count
  heads.horizon = heads.read < HEADS and #found == 2 * count and tonumber(found[#found]) or math.huge
end

-- of the peers that may be stolen from now, the one with the least head below `order`
local function oldest_before(heads, order)
  local oldest
  for i = 1, #heads.peers do
    local peer = heads.peers[i]
    if peer.first >= order then
      break
    elseif peer.order and peer.order < order and not peer.blocked
      and stealable_in(peer.load, peer.order, peer.asks_at) == 0 then
      oldest, order = peer, peer.order
    end
  end
  if order <= heads.horizon then
    return oldest
  end
  read_heads(heads, HEADS - heads.read)
  return oldest_before(heads, order) or oldest
end

local function pick_from_peer(peer, take, opened)
  if not peer.line then
    peer.line, peer.whole = lines.open(peer.owner), peer.load
    opened[#opened + 1] = peer.line
  end
  local line = peer.line
  pick(line, take)
  peek(line, take)
  peer.order, peer.blocked, peer.load = line.order, line.blocked, peer.whole - line.passed
end

local function pick_oldest(take)
  local own, heads = lines.open(caller.node), { peers = {}, read = 0, horizon = 0 }
  local opened = { own }
  read_heads(heads, min(take.limit + SPARE, HEADS))
  while not take.full do
    local mine = not own.blocked and peek(own, take)
    local peer = oldest_before(heads, mine and own.order - caller.steal_after * 1000 or math.huge)
    if peer then
      pick_from_peer(peer, take, opened)
    elseif mine then
      pick(own, take)
    else
      break
    end
  end
  return opened
end

return pick_oldest
