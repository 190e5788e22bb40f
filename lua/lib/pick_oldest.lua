-- The policy `oldest`: one line across owners. Own first, unless the eligible peer with the least head is older by more
-- than steal_after. First come first served over the fleet by intent. Of 50 heads only as many are read as can decide.
--
-- INCLUDE pick stealable_in
local HEADS, SPARE = 50, 7
-- peers in the order of their heads; every head that was not read is `horizon` or later
local peers, heads_read, horizon = {}, 0, 0

local function read_heads(count)
  local from, to = format('%d', heads_read), format('%d', heads_read + count - 1)
  local heads, names, known = call('ZRANGE', HEAD, from, to, 'WITHSCORES'), {}, #peers
  for i = 1, #heads, 2 do
    if heads[i] ~= node then
      local order = tonumber(heads[i + 1])
      names[#names + 1] = heads[i]
      peers[#peers + 1] = { owner = heads[i], first = order, order = order }
    end
  end
  local loads, asks = #names > 0 and call('ZMSCORE', LOAD, unpack(names)) or names, asks_of(names)
  for i = 1, #loads do
    peers[known + i].load, peers[known + i].asks_at = tonumber(loads[i] or 0), asks[i]
  end
  heads_read = heads_read + count
  horizon = heads_read < HEADS and #heads == 2 * count and tonumber(heads[#heads]) or math.huge
end

-- of the peers that may be stolen from now, the one with the least head before that order
local function oldest_before(order)
  local oldest
  for i = 1, #peers do
    local peer = peers[i]
    if peer.first >= order then
      break
    elseif peer.order and peer.order < order and not peer.blocked
      and stealable_in(peer.load, peer.order, peer.asks_at) == 0 then
      oldest, order = peer, peer.order
    end
  end
  if order <= horizon then
    return oldest
  end
  read_heads(HEADS - heads_read)
  return oldest_before(order) or oldest
end

local function pick_from_peer(peer, bounds, lines)
  if not peer.line then
    peer.line, peer.whole = open_line(peer.owner), peer.load
    lines[#lines + 1] = peer.line
  end
  local line = peer.line
  pick(line, bounds)
  peek(line, bounds)
  peer.order, peer.blocked, peer.load = line.order, line.blocked, peer.whole - line.passed
end

local function pick_oldest(own, bounds)
  local lines = { own }
  read_heads(min(bounds.limit + SPARE, HEADS))
  while not full do
    local mine = not own.blocked and peek(own, bounds)
    local peer = oldest_before(mine and own.order - steal_after * 1000 or math.huge)
    if peer then
      pick_from_peer(peer, bounds, lines)
    elseif mine then
      pick(own, bounds)
    else
      break
    end
  end
  return lines
end
