-- The policy `lucky`, the reference's. Steals only when the own line is empty: from one peer, chosen at random among the
-- 50 most loaded ones that may be stolen from, half of the batch, rounded up. The claim's entropy seeds the choice, as
-- math.random gives the same in every script otherwise. One claim in eight, by that entropy, first takes one ticket that
-- has waited long (pick_long_waiting.lua): so few that one owner's flood is no other's. Answers the lines that were read,
-- the own line first.
--
-- GIVES  pick_lucky(take)
-- WRITES nothing
local asks_of = require('lib.asks_of')
local caller = require('lib.caller')
local has_fronts = require('lib.has_fronts')
local peek = require('lib.peek')
local pick = require('lib.pick')
local lines = require('lib.lines')
local shard = require('lib.shard')
local stealable_in = require('lib.stealable_in')
local tables = require('lib.tables')
local waits_since = require('lib.waits_since')
local wanted = require('lib.wanted')
local call, format, min = redis.call, string.format, math.min
local PEERS, TRIES = '50', 10
-- one claim in so many looks at what waits longest before the own line
local TURNS = 8

-- appends the owners of these heads that may be stolen from whatever their load: old ones, and those of fronts
local function add_free(names, from, to)
  local heads, owners, orders = call('ZRANGEBYSCORE', tables.HEAD, from, to, 'WITHSCORES', 'LIMIT', '0', PEERS), {}, {}
  for i = 1, #heads, 2 do
    owners[#owners + 1], orders[#orders + 1] = heads[i], heads[i + 1]
  end
  local asks = asks_of(owners)
  for i = 1, #owners do
    if stealable_in(0, waits_since(owners[i], orders[i]), asks[i]) == 0 then
      names[#names + 1] = owners[i]
    end
  end
end

local function lucky_peers()
  local listed, peers = { [caller.node] = true }, {}
  local names = call('ZREVRANGEBYSCORE', tables.LOAD, '+inf', format('%d', caller.min_load), 'LIMIT', '0', PEERS)
  local old, now = format('%d', (shard.now - caller.steal_after) * 1000), format('%d', shard.now * 1000)
  add_free(names, '-inf', old)
  if has_fronts() then
    add_free(names, '(' .. old, now)
  end
  add_free(names, '(' .. now, '+inf')
  for i = 1, #names do
    if not listed[names[i]] and #peers < tonumber(PEERS) then
      listed[names[i]] = true
      peers[#peers + 1] = names[i]
    end
  end
  return peers
end

-- the line of this owner: one is read once in a call
local function line_of(owner, opened)
  for i = 1, #opened do
    if opened[i].owner == owner then
      return opened[i]
    end
  end
  opened[#opened + 1] = lines.open(owner)
  return opened[#opened]
end

local function pick_all(line, take)
  while not take.full and peek(line, take) do
    pick(line, take)
  end
  return take.full or #take.picks > 0
end

local function pick_lucky(take)
  local own = lines.open(caller.node)
  local opened = { own }
  if caller.policy == 'lucky' and #take.picks == 0 and wanted.entropy % TURNS == 0 then
    require('lib.pick_long_waiting')(own, opened, take)
  end
  if pick_all(own, take) or caller.policy == 'none' then
    return opened
  end
  math.randomseed(wanted.entropy)
  take.limit = math.ceil(take.limit / 2)
  local peers = lucky_peers()
  for _ = 1, min(TRIES, #peers) do
    if pick_all(line_of(table.remove(peers, math.random(#peers)), opened), take) then
      break
    end
  end
  return opened
end

return pick_lucky
