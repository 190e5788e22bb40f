-- The heads of the peers' lines, least order first, read as far as can decide. `all` is the record of one reading: { peers
-- in the order of their heads, read: rank up to which heads were read, last: up to which they may be, more: there may be
-- heads beyond what was read, own: the caller has a head, or may have one that was not read, opened: rank of the last one
-- whose line was read, horizon: the least order of any other }.
--
-- A peer is { owner, rank, first: order of its head, order: of the ticket in front, load and since (ms): what says whether
-- it may be stolen from, line: once it is read }.
--
-- GIVES  open(from, count), oldest_before(all, order, age)
-- WRITES nothing
local asks_of = require('lib.asks_of')
local caller = require('lib.caller')
local shard = require('lib.shard')
local stealable_in = require('lib.stealable_in')
local tables = require('lib.tables')
local waits_since = require('lib.waits_since')
local call, format, min = redis.call, string.format, math.min
-- most heads of one reading
local HEADS = 50
local heads = {}

local function read(all, count)
  local from, to = format('%d', all.read), format('%d', all.read + count - 1)
  local found, names, peers = call('ZRANGE', tables.HEAD, from, to, 'WITHSCORES'), {}, all.peers
  local known = #peers
  for i = 1, #found, 2 do
    if found[i] ~= caller.node then
      local order = tonumber(found[i + 1])
      names[#names + 1] = found[i]
      peers[#peers + 1] = { owner = found[i], first = order, order = order, rank = all.read + (i + 1) / 2 }
    end
  end
  local loads, asks = #names > 0 and call('ZMSCORE', tables.LOAD, unpack(names)) or names, asks_of(names)
  for i = 1, #loads do
    peers[known + i].load, peers[known + i].asks_at = tonumber(loads[i] or 0), asks[i]
  end
  all.read = all.read + count
  local is_last, is_full = all.read == all.last, #found == 2 * count
  all.more = is_full
  all.own = all.own or is_full or 2 * #names < #found
  all.horizon = not is_last and is_full and tonumber(found[#found]) or math.huge
end

-- the heads from this rank on, at first so many
function heads.open(from, count)
  local all = { peers = {}, read = from, last = from + HEADS, opened = from }
  read(all, min(count, HEADS))
  return all
end

local function is_stealable(peer, age)
  peer.since = peer.since or waits_since(peer.owner, peer.order)
  return stealable_in(peer.load, peer.since, peer.asks_at) == 0 and shard.now - peer.since >= age
end

-- of the peers that may be stolen from now, and have waited for `age` ms, the one with the least head below `order`
function heads.oldest_before(all, order, age)
  local oldest
  for i = 1, #all.peers do
    local peer = all.peers[i]
    if peer.first >= order then
      break
    elseif peer.order and peer.order < order and is_stealable(peer, age) then
      oldest, order = peer, peer.order
    end
  end
  if order <= all.horizon then
    return oldest
  end
  read(all, all.last - all.read)
  return heads.oldest_before(all, order, age) or oldest
end

return heads
