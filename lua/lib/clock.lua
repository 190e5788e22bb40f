-- The shard's two clocks, server time only: `now` in ms, and the tick in us, which never repeats or runs back:
-- max(server us, last tick + 1, highest tick the caller has seen + 1). `next_tick` gives the next one as 14
-- hex digits; `kept` is the highest that this call wrote already, if it reserved some. Numbers are printed by
-- '%d' and '%014x': exact to 2^53, and cheap (tostring would print 1.79e+15).
--
-- INCLUDE caller
local now, tick, ticked, kept = 0, 0, false, 0

local function read_clock(stored)
  local time = call('TIME')
  local us = clock == '' and time[1] * 1000000 + time[2] or clock * 1000
  now = floor(us / 1000)
  tick = max(us - 1, stored and tonumber(stored, 16) or 0, tonumber(seen, 16))
end

local function next_tick()
  tick, ticked = tick + 1, true
  return format('%014x', tick)
end
