-- enter: what every call of a node begins with. The clocks; the epoch guard (a higher epoch forgets the node's
-- lanes, a lower one is EVICTED with the epoch that is_current); the lane guard (the same number as the last: the
-- remembered answer; lower: STALE); then the opening write. Answers a reply to return at once, or nil: go on.
--
-- `opening` is run before anything is written. A put opens with a write that maxmemory refuses, so that it fails
-- whole; every other script with one that is allowed over maxmemory and opens the rest of the script: PEXPIREAT, if
-- it has no better one.
--
-- INCLUDE clock ticket
-- STATUS EVICTED STALE
local expiry, visited, grace = '', 0, 0
local fresh, notes = {}, {}

-- the table may have been made by this call: it gets the shard's expiry in leave
local function made(key)
  fresh[#fresh + 1] = key
end

-- a field of `shard` that leave writes
local function note(field, value)
  notes[#notes + 1], notes[#notes + 2] = field, value
end

local function begin_shard()
  made(SHARD)
  ticked = true
  note('schema', '1')
  note('expiry', expiry)
  note('visited', '0')
  note('grace', '0')
end

local function meet(stored)
  if stored then
    call('HDEL', CALLS, node .. '|put', node .. '|claim', node .. '|result', node .. '|asks')
  end
  call('HSET', CALLS, node, epoch)
  call('ZADD', NODE, format('%d', now + lease), node)
  made(CALLS)
  made(NODE)
end

local function open_over_maxmemory()
  call('PEXPIREAT', SHARD, expiry)
end

local function enter(lane, opening)
  local state = call('HMGET', SHARD, 'tick', 'expiry', 'visited', 'grace')
  local calls = call('HMGET', CALLS, node, lane and node .. '|' .. lane or node)
  read_clock(state[1])
  expiry, visited, grace = state[2] or format('%d', now + ttl), tonumber(state[3] or 0), tonumber(state[4] or 0)
  local stored, last = calls[1], lane and calls[2]
  local mine, standing = tonumber(epoch, 16), stored and tonumber(stored, 16) or 0
  if mine < standing then
    return { 'EVICTED', stored }
  end
  if mine == standing and last then
    local lane_number, last_number = tonumber(lane_call, 16), hex(last, 1, 12)
    if lane_number == last_number then
      return { 'OK', format('%014x', tick), sub(last, 13) }
    elseif lane_number < last_number then
      return { 'STALE', sub(last, 1, 12) }
    end
  end
  (opening or open_over_maxmemory)()
  if not state[1] then
    begin_shard()
  end
  if mine > standing then
    meet(stored)
  end
end
