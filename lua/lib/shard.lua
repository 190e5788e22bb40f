-- The shard as this call found it, its two clocks, and what `leave` has to write at the end.
--
-- Both clocks follow the server's time only. `now` is in ms. The tick is in us; it never repeats and never runs back:
-- max(server us, last tick + 1, highest tick the caller has seen + 1). Numbers are printed by '%d' and '%014x': exact to
-- 2^53, and cheap (tostring would print 1.79e+15). A tick beyond 2^52 (the year 2112) is damage, and is not followed: one of
-- more than 14 digits would shift every field behind it.
--
-- GIVES  now, tick, ticked, expiry, stored, fresh, notes, read(stored), next_tick(), made(key), note(field, value)
-- WRITES nothing
local caller = require('lib.caller')
local call, floor, format, max = redis.call, math.floor, string.format, math.max
local LAST_TICK = 4503599627370496
local shard = {}
-- `ticked`: the tick must be stored, as the shard is new or a tick was given
shard.now, shard.tick, shard.ticked = 0, 0, false
-- `expiry`: ms when the shard's tables expire; `stored`: tick, expiry, visited and grace as they are in the table
shard.expiry, shard.stored = '', nil
-- `fresh`: tables that this call may have made; `notes`: fields and values for the table `shard`
shard.fresh, shard.notes = {}, {}

local function followed(tick)
  return tick <= LAST_TICK and tick or 0
end

function shard.read(stored)
  local time = call('TIME')
  local us = caller.clock == '' and time[1] * 1000000 + time[2] or caller.clock * 1000
  shard.now = floor(us / 1000)
  shard.tick = max(us - 1, stored[1] and followed(tonumber(stored[1], 16)) or 0, followed(tonumber(caller.seen, 16)))
  shard.ticked = not stored[1]
  shard.expiry = stored[2] or format('%d', shard.now + caller.ttl)
  shard.stored = stored
end

-- the next tick, 14 hex digits
function shard.next_tick()
  shard.tick, shard.ticked = shard.tick + 1, true
  return format('%014x', shard.tick)
end

-- the table may have been made by this call: `leave` gives it the shard's expiry
function shard.made(key)
  shard.fresh[#shard.fresh + 1] = key
end

-- a field of the table `shard` that `leave` writes
function shard.note(field, value)
  shard.notes[#shard.notes + 1], shard.notes[#shard.notes + 2] = field, value
end

return shard
