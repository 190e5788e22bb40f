-- The policy `oldest`: one line across owners. Own first, unless the eligible peer with the least head is older by more
-- than steal_after. First come first served over the fleet by intent.
--
-- INCLUDE pick ring
local HEADS = '49'

local function oldest_peers()
  local heads, names, peers = call('ZRANGE', HEAD, '0', HEADS, 'WITHSCORES'), {}, {}
  for i = 1, #heads, 2 do
    if heads[i] ~= node then
      names[#names + 1] = heads[i]
      peers[#peers + 1] = open_line(heads[i], tonumber(heads[i + 1]))
    end
  end
  local loads = #names > 0 and call('ZMSCORE', LOAD, unpack(names)) or {}
  for i = 1, #peers do
    peers[i].load = tonumber(loads[i] or 0)
  end
  return peers
end

-- the peer with the least head among those that may be stolen from now
local function oldest_of(peers)
  local oldest
  for i = 1, #peers do
    local peer = peers[i]
    if peer.order and not peer.blocked and (not oldest or peer.order < oldest.order)
      and stealable_in(peer.load - #peer.gone - peer.late, peer.order) == 0 then
      oldest = peer
    end
  end
  return oldest
end

local function pick_oldest(own, bounds)
  local peers, lines = oldest_peers(), { own }
  while not full do
    local mine = not own.blocked and front(own) and own
    local peer = oldest_of(peers)
    local line = mine
    if peer and not (mine and mine.order <= peer.order + steal_after * 1000) then
      line = peer
    end
    if not line then
      break
    end
    if line ~= own and not line.listed then
      line.listed = true
      lines[#lines + 1] = line
    end
    pick(line, bounds)
    front(line)
  end
  return lines
end
