-- Puts requests of the calling node in line, each once, and rings. After a FULL all that follow in the call are FULL too,
-- so that their order holds. Opens with a write that maxmemory refuses: a put without memory fails whole.
--
-- ARGV[14] max_waiting  waiting tickets of one owner in the shard
-- ARGV[15] claims_in    ms in which a claim of the caller follows, which rings for what it leaves; empty: none does.
--                       Until then its requests are its own, if it is at most KEEPS times steal_after
-- ARGV[16..] id tokens deadline head_start tries_left tries_spent body  tokens, tries_left, tries_spent: 8, 2 and 2 hex
--                       digits; deadline: ms from now, empty: ttl; head_start: ms by which it is placed before its arrival
-- RETURNS status, tick, per request and joined by ',': OK or DUPLICATE and its stamp, EXPIRED, FULL and ms to wait
-- STATUS OK DUPLICATE EXPIRED FULL
-- COST   O(n log waiting)
-- WRITES shard, request, body, calls
local caller = require('lib.caller')
local enqueue = require('lib.enqueue')
local enter = require('lib.enter')
local layout = require('lib.layout')
local leave = require('lib.leave')
local ring = require('lib.ring')
local shard = require('lib.shard')
local tables = require('lib.tables')
local call, format, min, sub = redis.call, string.format, math.min, string.sub
local max_waiting, claims_in = tonumber(ARGV[14]), tonumber(ARGV[15])
local FIRST, WIDTH, KEEPS = 16, 7, 6
local count = (#ARGV - FIRST + 1) / WIDTH

-- the highest tick that this call may give, stored before it gives any
local kept
local function reserve_ticks()
  kept = shard.tick + count
  call('HSET', tables.SHARD, 'tick', format('%014x', kept))
end

local refused = enter('put', reserve_ticks)
if refused then
  return refused
end

local fields, known = {}, {}
for i = 1, count do
  fields[i] = caller.node .. '|' .. ARGV[FIRST + (i - 1) * WIDTH]
end
local records = call('HMGET', tables.REQUEST, unpack(fields))
local waiting
if caller.load_unit == 'requests' then
  waiting = tonumber(call('ZSCORE', tables.LOAD, caller.node) or 0)
else
  waiting = call('ZLEXCOUNT', tables.WAITING, '[' .. caller.node .. '|', '(' .. caller.node .. '}')
end
local answers, tickets, marks, bodies, full, least = {}, {}, {}, {}, nil, math.huge
-- texts of numbers that repeat: most requests of a call have the same deadline, many the same length
local deadlines, lengths = {}, {}

for i = 1, count do
  local at = FIRST + (i - 1) * WIDTH
  local deadline_in = ARGV[at + 2] == '' and caller.ttl or tonumber(ARGV[at + 2])
  local standing = known[fields[i]] or records[i]
  if full then
    answers[i] = full
  elseif standing then
    answers[i] = 'DUPLICATE ' .. sub(standing, 1, layout.STAMP)
  elseif deadline_in <= 0 then
    answers[i] = 'EXPIRED'
  elseif waiting + #tickets >= max_waiting then
    full = 'FULL ' .. require('lib.retry_after')(caller.node)
    answers[i] = full
  else
    local order, head_start, bytes = shard.next_tick(), ARGV[at + 3], #ARGV[at + 6]
    least = min(least, shard.tick - head_start * 1000)
    if head_start ~= '0' then
      order = format('%014x', shard.tick - head_start * 1000)
    end
    deadlines[deadline_in] = deadlines[deadline_in] or format('%012x', shard.now + deadline_in)
    lengths[bytes] = lengths[bytes] or format('%08x', bytes)
    local stamp = order .. '|' .. ARGV[at + 1] .. '|' .. deadlines[deadline_in]
    local record = stamp .. '|' .. ARGV[at + 4] .. '|' .. ARGV[at + 5] .. '|' .. lengths[bytes]
    known[fields[i]] = record
    tickets[#tickets + 1] = caller.node .. '|' .. stamp .. '|' .. ARGV[at]
    marks[#marks + 1], marks[#marks + 2] = fields[i], record
    bodies[#bodies + 1], bodies[#bodies + 2] = fields[i], ARGV[at + 6]
    answers[i] = 'OK ' .. stamp
  end
end

if #tickets > 0 then
  call('HSET', tables.REQUEST, unpack(marks))
  call('HSET', tables.BODY, unpack(bodies))
  enqueue(caller.node, tickets)
  if call('HLEN', tables.REQUEST) == #tickets then
    shard.made(tables.REQUEST)
    shard.made(tables.BODY)
    shard.made(tables.DUE)
  end
  if claims_in and claims_in > 0 and claims_in <= KEEPS * caller.steal_after then
    call('HSET', tables.CALLS, caller.node .. '|asks', format('%d', shard.now + claims_in))
  end
  if claims_in ~= 0 then
    ring(caller.node, least, claims_in)
  end
end
return leave('put', { 'OK', format('%014x', shard.tick), table.concat(answers, ',') }, kept)
