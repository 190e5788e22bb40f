-- The first of `due`. Most calls find that nothing is due yet, and then they have read it once.
--
-- GIVES  first(), next_in(known, own)
-- WRITES nothing
local shard = require('lib.shard')
local tables = require('lib.tables')
local call, format, max, min = redis.call, string.format, math.max, math.min
local due = {}

-- ms when the shard must look at the first; infinite if there is none
function due.first()
  return tonumber(call('ZRANGE', tables.DUE, '0', '0', 'WITHSCORES')[2] or math.huge)
end

-- ms until the shard must look at the first, '-1' if there is none. `known`: what this call found before it wrote; if it
-- lay ahead it still stands. `own`: the least time that the call wrote since, or that it must come back at
function due.next_in(known, own)
  local first = min(own, known > shard.now and known or due.first())
  return first < math.huge and format('%d', max(0, first - shard.now)) or '-1'
end

return due
