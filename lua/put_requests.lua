-- Puts requests of the calling node in line, each once, and rings. After a FULL all that follow in the call are FULL too,
-- so that their order holds. Opens with a write that maxmemory refuses: a put without memory fails whole.
--
-- ARGV[14] max_waiting  waiting tickets of one owner in the shard
-- ARGV[15] claims_in    ms in which a claim of the caller follows, which rings for what it leaves; empty: none does.
--                       Until then its requests are its own, if it is at most KEEPS times steal_after. Not heeded while
--                       the caller keeps room: it takes none that it puts now
-- ARGV[16..] id tokens deadline head_start tries_left tries_spent body  tokens, tries_left, tries_spent: 8, 2 and 2 hex
--                       digits; deadline: ms from now, empty: ttl; head_start: ms by which it is placed before its arrival
-- RETURNS status, tick, per request and joined by ',': OK and its stamp, DUPLICATE, the stamp that stands and whether the
--         body is the same (same, other), EXPIRED, FULL and ms to wait
-- STATUS OK DUPLICATE EXPIRED FULL
-- COST   O(n log waiting)
-- WRITES shard, request, body, calls
local bounds = require('lib.bounds')
local caller = require('lib.caller')
local enqueue = require('lib.enqueue')
local enter = require('lib.enter')
local layout = require('lib.layout')
local least_tokens = require('lib.least_tokens')
local leave = require('lib.leave')
local line_length = require('lib.line_length')
local record_of = require('lib.record_of')
local ring = require('lib.ring')
local shard = require('lib.shard')
local tables = require('lib.tables')
local call, format, min, sub = redis.call, string.format, math.min, string.sub
local max_waiting, announced = tonumber(ARGV[14]), tonumber(ARGV[15])
local FIRST, WIDTH, KEEPS = 16, 7, 6
local count = (#ARGV - FIRST + 1) / WIDTH

assert(count >= 1 and count <= bounds.ITEMS and count % 1 == 0 and max_waiting >= 0, 'an argument is out of its range')
local answers, tickets, marks, bodies, least = {}, {}, {}, {}, math.huge

-- what becomes of each request; writes nothing
local function decide()
  local node = caller.node
  local fields, known, drawn, full, waiting = {}, {}, {}, nil, line_length(node)
  for i = 1, count do
    fields[i] = node .. '|' .. ARGV[FIRST + (i - 1) * WIDTH]
  end
  local records = call('HMGET', tables.REQUEST, unpack(fields))
  for i = 1, count do
    local at = FIRST + (i - 1) * WIDTH
    local deadline_in = ARGV[at + 2] == '' and caller.ttl or tonumber(ARGV[at + 2])
    local standing = known[fields[i]] or records[i]
    if full then
      answers[i] = full
    elseif standing then
      local body = drawn[fields[i]] or call('HGET', tables.BODY, fields[i])
      answers[i] = 'DUPLICATE ' .. sub(standing, 1, layout.STAMP) .. (body == ARGV[at + 6] and ' same' or ' other')
    elseif deadline_in <= 0 then
      answers[i] = 'EXPIRED'
    elseif waiting + #tickets >= max_waiting then
      full = 'FULL ' .. require('lib.retry_after')(node)
      answers[i] = full
    else
      local record, stamp, order = record_of(at, deadline_in)
      least, known[fields[i]], drawn[fields[i]] = min(least, order), record, ARGV[at + 6]
      tickets[#tickets + 1] = node .. '|' .. stamp .. '|' .. ARGV[at]
      marks[#marks + 1], marks[#marks + 2] = fields[i], record
      bodies[#bodies + 1], bodies[#bodies + 2] = fields[i], ARGV[at + 6]
      answers[i] = 'OK ' .. stamp
    end
  end
end

-- the tick is stored as the first write: no order is given twice
local stored
local function open()
  decide()
  stored = shard.tick
  call('HSET', tables.SHARD, 'tick', format('%014x', stored))
end

local refused = enter('put', open)
if refused then
  return refused
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
  local keeps_room = shard.stored[6] and require('lib.kept_by')() == caller.node
  local claims_in = not keeps_room and announced or nil
  if claims_in and claims_in > 0 and claims_in <= KEEPS * caller.steal_after then
    call('HSET', tables.CALLS, caller.node .. '|asks', format('%d', shard.now + claims_in))
  end
  if claims_in ~= 0 then
    ring(caller.node, least_tokens(tickets, caller.node), least, claims_in)
  end
end
return leave('put', { 'OK', format('%014x', shard.tick), table.concat(answers, ',') }, stored)
