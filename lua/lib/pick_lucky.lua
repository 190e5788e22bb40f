-- The policy `lucky`, the reference's. Steals only when the own line is empty: from one peer, chosen at random among the
-- 50 most loaded ones that may be stolen from, half of the batch, rounded up. `entropy` seeds the choice: math.random
-- gives the same in every script otherwise. Answers the lines that were read, the own line first.
--
-- GIVES  pick_lucky(take, entropy)
-- WRITES nothing
local asks_of = require('lib.asks_of')
local caller = require('lib.caller')
local peek = require('lib.peek')
local pick = require('lib.pick')
local lines = require('lib.lines')
local shard = require('lib.shard')
local tables = require('lib.tables')
local call, format, min = redis.call, string.format, math.min
local PEERS, TRIES = '50', 10

local function lucky_peers()
  local names, listed, peers = {}, { [caller.node] = true }, {}
  local loaded = call('ZREVRANGEBYSCORE', tables.LOAD, '+inf', format('%d', caller.min_load), 'LIMIT', '0', PEERS)
  local before = format('%d', (shard.now - caller.steal_after) * 1000)
  local aged = call('ZRANGEBYSCORE', tables.HEAD, '-inf', before, 'LIMIT', '0', PEERS)
  local asks = asks_of(aged)
  for i = 1, #loaded do
    names[i] = loaded[i]
  end
  for i = 1, #aged do
    if asks[i] <= shard.now then
      names[#names + 1] = aged[i]
    end
  end
  for i = 1, #names do
    if not listed[names[i]] and #peers < tonumber(PEERS) then
      listed[names[i]] = true
      peers[#peers + 1] = lines.open(names[i])
    end
  end
  return peers
end

local function pick_lucky(take, entropy)
  local own = lines.open(caller.node)
  while not take.full and not own.blocked and peek(own, take) do
    pick(own, take)
  end
  local opened = { own }
  if #take.picks > 0 or own.blocked or caller.policy == 'none' then
    return opened
  end
  math.randomseed(entropy)
  take.limit = math.ceil(take.limit / 2)
  local peers = lucky_peers()
  for _ = 1, min(TRIES, #peers) do
    local peer = table.remove(peers, math.random(#peers))
    opened[#opened + 1] = peer
    while not take.full and not peer.blocked and peek(peer, take) do
      pick(peer, take)
    end
    if #take.picks > 0 then
      break
    end
  end
  return opened
end

return pick_lucky
