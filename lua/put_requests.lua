-- Puts requests of the calling node in line, each once, and rings. After a FULL all that follow in the call are FULL too,
-- so that their order holds. Opens with a write that maxmemory refuses: a put without memory fails whole.
--
-- ARGV[14] max_waiting  waiting tickets of one owner in the shard
-- ARGV[15] claims_in    ms in which a claim of the caller follows, which rings for what it leaves; empty: none does; never:
--                       it is a front (lib/note_asks.lua). Not heeded while the caller keeps room: it takes none that it
--                       puts now
-- ARGV[16] dead         which of the requests are kept in `dead` when they end: lost, failed or all (lib/copy_to_dead.lua)
-- ARGV[17] dead_bytes   and with it their bodies up to this size
-- ARGV[18..] id tokens deadline head_start tries_left tries_spent loss body  tokens, tries_left, tries_spent: 8, 2 and 2 hex
--                       digits; deadline: ms from now, empty: ttl; head_start: ms by which it is placed before its arrival;
--                       loss: what the loss of its owner does to it: finish (nothing), abort
-- RETURNS status, tick, per request and joined by ',': OK and its stamp, DUPLICATE, the stamp that stands and whether the
--         body is the same (same, other), EXPIRED, FULL and ms to wait
-- STATUS OK DUPLICATE EXPIRED FULL
-- COST   O(n log waiting)
-- WRITES shard, request, body
local bounds = require('lib.bounds')
local caller = require('lib.caller')
local enqueue = require('lib.enqueue')
local enter = require('lib.enter')
local layout = require('lib.layout')
local leave = require('lib.leave')
local line_length = require('lib.line_length')
local note_asks = require('lib.note_asks')
local record_of = require('lib.record_of')
local shard = require('lib.shard')
local tables = require('lib.tables')
local call, format, min, sub = redis.call, string.format, math.min, string.sub
local FRONT = 'never'
local max_waiting, announced, is_front = tonumber(ARGV[14]), tonumber(ARGV[15]), ARGV[15] == FRONT
local FIRST, WIDTH = 18, 8
local count = (#ARGV - FIRST + 1) / WIDTH

assert(count >= 1 and count <= bounds.ITEMS and count % 1 == 0 and max_waiting >= 0, 'an argument is out of its range')
local answers, tickets, marks, bodies, first, least, stored = {}, {}, {}, {}, math.huge, math.huge, nil

-- decides what becomes of each request, then makes the first write: the tick, so that no order is given twice
local function open()
  local node = caller.node
  local fields, drawn, full, waiting = {}, {}, nil, line_length(node)
  for i = 1, count do
    fields[i] = node .. '|' .. ARGV[FIRST + (i - 1) * WIDTH]
  end
  local records = call('HMGET', tables.REQUEST, unpack(fields))
  for i = 1, count do
    local at, field = FIRST + (i - 1) * WIDTH, fields[i]
    local deadline_in = ARGV[at + 2] == '' and caller.ttl or tonumber(ARGV[at + 2])
    local standing = drawn[field] and marks[drawn[field]] or records[i]
    if full then
      answers[i] = full
    elseif standing then
      local body = drawn[field] and bodies[drawn[field]] or call('HGET', tables.BODY, field)
      answers[i] = 'DUPLICATE ' .. sub(standing, 1, layout.STAMP) .. (body == ARGV[at + 7] and ' same' or ' other')
    elseif deadline_in <= 0 then
      answers[i] = 'EXPIRED'
    elseif waiting + #tickets >= max_waiting then
      full = 'FULL ' .. require('lib.retry_after')(node)
      answers[i] = full
    else
      local record, stamp, order, tokens = record_of(at, deadline_in)
      local place = 2 * #tickets + 2
      first, least, drawn[field] = min(first, order), min(least, tokens), place
      tickets[place / 2] = node .. '|' .. stamp .. '|' .. ARGV[at]
      marks[place - 1], marks[place] = field, record
      bodies[place - 1], bodies[place] = field, ARGV[at + 7]
      answers[i] = 'OK ' .. stamp
    end
  end
  stored = shard.tick
  call('HSET', tables.SHARD, 'tick', format('%014x', stored))
end

local refused, calls, is_new = enter('put', open, { '', '', caller.node .. '|asks' })
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
  note_asks(is_front and FRONT or claims_in, not is_new and calls[3])
  if claims_in ~= 0 and call('EXISTS', tables.IDLE) == 1 then
    require('lib.ring')(caller.node, least, first, claims_in)
  end
end
return leave('put', { 'OK', format('%014x', shard.tick), table.concat(answers, ',') }, stored)
