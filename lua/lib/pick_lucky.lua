-- The policy `lucky`, the reference's: only when the own queue is empty; one peer at random among the 50 most loaded
-- eligible ones; half of the batch, rounded up. math.random is seeded the same in every run: entropy is passed in.
--
-- INCLUDE pick stealable_in
local PEERS, TRIES = '50', 10

local function lucky_peers()
  local names, listed, peers = {}, { [node] = true }, {}
  local loaded = call('ZREVRANGEBYSCORE', LOAD, '+inf', format('%d', min_load), 'LIMIT', '0', PEERS)
  local aged = call('ZRANGEBYSCORE', HEAD, '-inf', format('%d', (now - steal_after) * 1000), 'LIMIT', '0', PEERS)
  local asks = asks_of(aged)
  for i = 1, #loaded do
    names[i] = loaded[i]
  end
  for i = 1, #aged do
    if asks[i] <= now then
      names[#names + 1] = aged[i]
    end
  end
  for i = 1, #names do
    if not listed[names[i]] and #peers < tonumber(PEERS) then
      listed[names[i]] = true
      peers[#peers + 1] = open_line(names[i])
    end
  end
  return peers
end

local function pick_lucky(own, bounds, entropy)
  while not full and not own.blocked and peek(own, bounds) do
    pick(own, bounds)
  end
  local lines = { own }
  if #picks > 0 or own.blocked or policy == 'none' then
    return lines
  end
  math.randomseed(entropy)
  bounds.limit = math.ceil(bounds.limit / 2)
  local peers = lucky_peers()
  for _ = 1, min(TRIES, #peers) do
    local peer = table.remove(peers, math.random(#peers))
    lines[#lines + 1] = peer
    while not full and not peer.blocked and peek(peer, bounds) do
      pick(peer, bounds)
    end
    if #picks > 0 then
      break
    end
  end
  return lines
end
