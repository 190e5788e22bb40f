-- Begins every call of a node: reads the shard, checks the caller's epoch and lane, makes the opening write. Answers a
-- reply to return at once, or nil: go on, then what it read of `calls`, and whether the epoch is new: then nothing that it
-- read of the caller's own calls holds, but for its box. A script looks at its other arguments before: what was written
-- stays written, so whatever can fail fails before the first write.
--
-- The epoch: a higher one than the stored one makes the shard forget the node's lanes and marks; a lower one is answered
-- EVICTED and the stored epoch. The lane: the number of the last call is answered what that call was answered; a lower
-- number is answered STALE and the last number.
--
-- `lane`: put, claim, result, or nil. `opening(calls, is_new)`: makes the opening write, nothing is written before it; what
-- it decides before that may still fail, or it answers a reply to return at once instead. A put opens with a write that
-- maxmemory refuses, so that it fails whole. Every other script opens with a write that is allowed over maxmemory, and that
-- lets the rest of the script write too: PEXPIREAT, unless it has one of its own. `fields`: of `calls`, to be read from
-- place 3 on; 1 and 2 are the epoch and the lane.
--
-- GIVES  enter(lane, opening, fields)
-- WRITES shard
-- STATUS EVICTED STALE
local caller = require('lib.caller')
local layout = require('lib.layout')
local schema = require('lib.schema')
local shard = require('lib.shard')
local tables = require('lib.tables')
local call, format, sub = redis.call, string.format, string.sub

local function enter(lane, opening, fields)
  local node, lane_number = caller.node, tonumber(caller.lane_call, 16)
  assert(not lane or lane_number and #caller.lane_call == 12, 'the number of the call is out of its range')
  local stored = call('HMGET', tables.SHARD, 'tick', 'expiry', 'visited', 'grace', 'ttl', 'kept', 'fronts')
  fields = fields or {}
  fields[1], fields[2] = node, lane and node .. '|' .. lane or node
  local calls = call('HMGET', tables.CALLS, unpack(fields))
  shard.read(stored)
  local known, last = calls[1], lane and calls[2]
  local mine, standing = tonumber(caller.epoch, 16), known and tonumber(known, 16) or 0
  if mine < standing then
    return { 'EVICTED', known }
  end
  if mine == standing and last then
    local last_number = layout.hex(last, 1, 12)
    if lane_number == last_number then
      return { 'OK', format('%014x', shard.tick), sub(last, 13) }
    elseif lane_number < last_number then
      return { 'STALE', sub(last, 1, 12) }
    end
  end

  local reply = nil
  if opening then
    reply = opening(calls, mine > standing)
  else
    call('PEXPIREAT', tables.SHARD, shard.expiry)
  end
  if reply then
    return reply
  end
  -- a new shard
  if not stored[1] then
    shard.made(tables.SHARD)
    shard.note('schema', schema.VERSION)
    shard.note('visited', '0')
    shard.note('grace', '0')
  end
  -- a new node, or one that took its name over
  if mine > standing then
    require('lib.new_epoch')(known, calls, fields)
  end
  return nil, calls, mine > standing
end

return enter
