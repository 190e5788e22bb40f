-- Enqueues requests of the calling node, each once, and rings. All after a FULL in the call are FULL too, so that
-- order holds. Opens with a write that maxmemory refuses: a put without memory fails whole.
--
-- INCLUDE enqueue ring leave
-- ARGV[14] max_waiting  waiting tickets of one owner in the shard
-- ARGV[15] claims_in    ms in which a claim of the caller follows, which rings for what it leaves; empty: none does.
--                       Its requests are its own until then, if it is no longer than it may keep them
-- ARGV[16..] id tokens deadline head_start tries_left tries_spent body  tokens, tries_left, tries_spent: 8, 2 and 2 hex
--                       digits; deadline: ms from now, empty: ttl; head_start: ms by which it is placed before its arrival
-- RETURNS status, tick, per request and joined by ',': OK or DUPLICATE and the standing ticket's stamp, EXPIRED,
--         FULL and ms after which to try again
-- STATUS OK DUPLICATE EXPIRED FULL
-- COST   O(n log waiting)
local max_waiting, claims_in = tonumber(ARGV[14]), tonumber(ARGV[15])
local FIRST, WIDTH = 16, 7
-- most times steal_after for which an owner may keep its requests
local KEEPS = 6
local count = (#ARGV - FIRST + 1) / WIDTH

local function reserve_ticks()
  kept = tick + count
  call('HSET', SHARD, 'tick', format('%014x', kept))
end

local refused = enter('put', reserve_ticks)
if refused then
  return refused
end

local fields, known = {}, {}
for i = 1, count do
  fields[i] = node .. '|' .. ARGV[FIRST + (i - 1) * WIDTH]
end
local records = call('HMGET', REQUEST, unpack(fields))
local waiting
if load_unit == 'requests' then
  waiting = tonumber(call('ZSCORE', LOAD, node) or 0)
else
  waiting = call('ZLEXCOUNT', WAITING, '[' .. node .. '|', '(' .. node .. '}')
end
local answers, tickets, marks, bodies, full, least = {}, {}, {}, {}, nil, math.huge
-- the text of a number: most requests of a call share their deadline, many their length
local deadlines, lengths = {}, {}

-- a tenth of the time that the head has waited: about as long as a tenth of the line takes to be served
local function retry_after()
  local head = tonumber(call('ZSCORE', HEAD, node) or now * 1000)
  return format('%d', min(60000, max(100, floor((now - head / 1000) / 10))))
end

for i = 1, count do
  local at = FIRST + (i - 1) * WIDTH
  local deadline_in = ARGV[at + 2] == '' and ttl or tonumber(ARGV[at + 2])
  local standing = known[fields[i]] or records[i]
  if full then
    answers[i] = full
  elseif standing then
    answers[i] = 'DUPLICATE ' .. sub(standing, 1, STAMP)
  elseif deadline_in <= 0 then
    answers[i] = 'EXPIRED'
  elseif waiting + #tickets >= max_waiting then
    full = 'FULL ' .. retry_after()
    answers[i] = full
  else
    local order, head_start, bytes = next_tick(), ARGV[at + 3], #ARGV[at + 6]
    least = min(least, tick - head_start * 1000)
    if head_start ~= '0' then
      order = format('%014x', tick - head_start * 1000)
    end
    deadlines[deadline_in] = deadlines[deadline_in] or format('%012x', now + deadline_in)
    lengths[bytes] = lengths[bytes] or format('%08x', bytes)
    local stamp = order .. '|' .. ARGV[at + 1] .. '|' .. deadlines[deadline_in]
    local record = stamp .. '|' .. ARGV[at + 4] .. '|' .. ARGV[at + 5] .. '|' .. lengths[bytes]
    known[fields[i]] = record
    tickets[#tickets + 1] = node .. '|' .. stamp .. '|' .. ARGV[at]
    marks[#marks + 1], marks[#marks + 2] = fields[i], record
    bodies[#bodies + 1], bodies[#bodies + 2] = fields[i], ARGV[at + 6]
    answers[i] = 'OK ' .. stamp
  end
end

if #tickets > 0 then
  call('HSET', REQUEST, unpack(marks))
  call('HSET', BODY, unpack(bodies))
  enqueue(node, tickets)
  if call('HLEN', REQUEST) == #tickets then
    made(REQUEST)
    made(BODY)
    made(DUE)
  end
  if claims_in and claims_in > 0 and claims_in <= KEEPS * steal_after then
    call('HSET', CALLS, node .. '|asks', format('%d', now + claims_in))
  end
  if claims_in ~= 0 then
    ring(node, least, claims_in)
  end
end
return leave('put', { 'OK', format('%014x', tick), table.concat(answers, ',') })
