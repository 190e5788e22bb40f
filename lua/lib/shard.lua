-- The shard as this call found it, its two clocks, and what `leave` has to write at the end.
--
-- Both clocks follow the server's time only. `now` is in ms. The tick is in us; it never repeats and never runs back:
-- max(server us, last tick + 1, what the caller has seen + 1), see lua/README.md#ticks. Numbers are printed by '%d' and
-- '%014x': exact to 2^53, and cheap (tostring would print 1.79e+15). A tick beyond 2^52 (the year 2112) is damage, and is
-- not followed: one of more than 14 digits would shift every field behind it.
--
-- The shard expires as a whole. Its expiry covers every deadline in it and never moves back; its ttl is the longest that
-- any caller gave. So a node with a shorter one takes nothing away from the others.
--
-- GIVES  now, tick, ticked, grace, ttl, expiry, moved, stored, fresh, notes, marks, outlast(time), next_tick(), made(key),
--        note(field, value), remember(field, value), begin_grace(till), read(stored)
-- WRITES nothing
local bounds = require('lib.bounds')
local caller = require('lib.caller')
local tables = require('lib.tables')
local call, floor, format, max = redis.call, math.floor, string.format, math.max
local MINUTE = 60000
local shard = {}
-- `ticked`: the tick must be stored, as the shard is new or a tick was given
shard.now, shard.tick, shard.ticked = 0, 0, false
-- ms until which nobody's silence counts, see `visit`
shard.grace = 0
-- `ttl`: ms for which the shard lasts without a call, and a silent node is kept; `expiry`: ms when the tables expire;
-- `moved`: `leave` must give it to all of them; `stored`: tick, expiry, visited, grace, ttl, kept and fronts as they are in
-- the table
shard.ttl, shard.expiry, shard.moved, shard.stored = 0, '0', false, nil
-- `fresh`: tables that this call may have made; `notes`, `marks`: fields and values for the tables `shard` and `calls`
shard.fresh, shard.notes, shard.marks = {}, {}, {}

local function followed(tick)
  return tick <= bounds.TICK and tick or 0
end

-- the shard must be kept until then, ms. The expiry moves a lease further, so that the next calls need not move it
function shard.outlast(time)
  if time > tonumber(shard.expiry) then
    shard.expiry, shard.moved = format('%d', time + caller.lease), true
  end
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

-- a field of the table `calls` that `leave` writes
function shard.remember(field, value)
  shard.marks[#shard.marks + 1], shard.marks[#shard.marks + 2] = field, value
end

function shard.begin_grace(till)
  shard.grace = till
  shard.note('grace', format('%d', till))
end

-- the shard as it is stored
function shard.read(stored)
  local time = call('TIME')
  local server_us = time[1] * 1000000 + time[2]
  local us = caller.clock == '' and server_us or caller.clock * 1000
  shard.now = floor(us / 1000)
  local last, seen, ttl = tonumber(stored[1] or '0', 16), tonumber(caller.seen, 16), tonumber(stored[5] or 0)
  shard.grace = tonumber(stored[4] or 0)
  shard.stored, last, seen = stored, followed(last), followed(seen)
  shard.ticked, shard.tick = not stored[1], max(us - 1, last, seen)
  if seen == 0 and us <= last then
    -- Redis may have lost later ones, of which this caller cannot have heard. They were given since the last visit, if that
    -- was by this clock; else nobody knows
    local since = shard.now - tonumber(stored[3] or 0)
    shard.tick = last + 1000 * (since >= 0 and since < MINUTE and since + 1 or MINUTE)
  end
  shard.ttl = max(caller.ttl, ttl)
  if shard.ttl > ttl then
    shard.note('ttl', format('%d', shard.ttl))
  end
  if stored[2] then
    shard.expiry = stored[2]
  else
    -- a new shard, or one that lost this table: what the others have left still stands
    shard.expiry = format('%d', floor(server_us / 1000) + call('PTTL', tables.REQUEST))
    shard.outlast(shard.now + shard.ttl)
    shard.moved = true
  end
end

return shard
