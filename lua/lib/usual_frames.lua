-- The usual call with results: frames only, whose caller knows the shard's history, to owners whose mailboxes have room. It
-- does what any_results.lua does of such a call, in one piece: Redis makes every function of a script anew in each call,
-- which costs more than this. Answers the reply; nil if anything is not as usual, or out of its range: then it has written
-- nothing, and any_results.lua looks at everything once more.
--
-- GIVES  usual_frames()
-- WRITES out, calls, shard
local bounds = require('lib.bounds')
local caller = require('lib.caller')
local layout = require('lib.layout')
local tables = require('lib.tables')
local tell = require('lib.tell')
local call, floor, format, max, sub = redis.call, math.floor, string.format, math.max, string.sub
local GROUPS = 17

local function usual_frames()
  local node, lane_call, terms, count = caller.node, caller.lane_call, ARGV[16], tonumber(ARGV[17])
  local max_results, max_bytes, mark = tonumber(ARGV[14]), tonumber(ARGV[15]), sub(terms, 14, 27)
  local carried, seen = tonumber(sub(terms, 28), 16), tonumber(caller.seen, 16)
  if not (max_results and max_bytes and carried and seen and count) or #terms ~= 31 or #ARGV ~= GROUPS + 2 * count
    or count == 0 or mark == layout.NO_MARK or #lane_call ~= 12 or not tonumber(lane_call, 16) then
    return nil
  end
  local owners, fields = {}, { node, node .. '|result', node .. '|held', node .. '|taken' }
  for i = 1, count do
    owners[i] = sub(ARGV[GROUPS + 2 * i - 1], 19)
    fields[4 + i] = owners[i] .. '|box'
  end
  local stored = call('HMGET', tables.SHARD, 'tick', 'expiry', 'ttl')
  local calls = call('HMGET', tables.CALLS, unpack(fields))
  local answered, held, expiry = calls[2], calls[3], stored[2]
  -- the epoch, the last call of the lane and the mark are those that the caller knows; nothing was taken away from it
  if not (stored[1] and expiry and stored[3] and answered and held) or calls[1] ~= caller.epoch or calls[4]
    or sub(answered, 1, 12) ~= sub(terms, 2, 13) or lane_call <= sub(answered, 1, 12)
    or mark ~= sub(held, 1, 14) and mark ~= sub(held, 15) or tonumber(stored[3]) < caller.ttl then
    return nil
  end
  -- the clocks, as shard.lua reads them
  local time, last = call('TIME'), tonumber(stored[1], 16)
  local us = caller.clock == '' and time[1] * 1000000 + time[2] or caller.clock * 1000
  local now, tick = floor(us / 1000), max(us - 1, last, seen)
  if last > bounds.TICK or seen > bounds.TICK or seen == 0 and us <= last then
    return nil
  end
  local alive, answers, marks, members, told = call('ZMSCORE', tables.NODE, unpack(owners)), {}, {}, {}, {}
  for i = 1, count do
    local owner, frame, box, head = owners[i], ARGV[GROUPS + 2 * i], calls[4 + i], ARGV[GROUPS + 2 * i - 1]
    local chunks = tonumber(sub(head, 15, 18), 16)
    if owner == node and chunks and chunks > 0 then
      answers[i] = 'k' .. layout.NO_MARK
    elseif not (box and alive[i] and chunks) or chunks <= 0 or #frame < 16 * chunks or told[owner] then
      return nil
    else
      local put, bytes = layout.hex(box, 29, 14), layout.hex(box, 43, 14)
      local room, space = max_results - put + layout.hex(box, 57, 14), max_bytes - bytes + layout.hex(box, 71, 14)
      if chunks > room or #frame > space then
        return nil
      end
      tick = tick + 1
      local totals = sub(box, 15, 28) .. format('%014x%014x', put + chunks, bytes + #frame)
      local entry = owner .. '|' .. format('%014x', tick) .. '|F' .. totals .. format('%04x', chunks) .. frame
      local is_carried = #entry <= carried and room > bounds.ROOMY * max_results and space > bounds.ROOMY * max_bytes
      members[#members + 1], members[#members + 2], told[owner] = '0', entry, is_carried and entry or ''
      marks[#marks + 1], marks[#marks + 2] = fields[4 + i], sub(box, 1, 14) .. totals .. sub(box, 57)
      answers[i] = (tonumber(alive[i]) < now and 'o' or 'k') .. sub(box, 1, 14)
    end
  end
  -- allowed over maxmemory, and so is what follows it
  local is_there = call('PEXPIREAT', tables.OUT, expiry) == 1
  local reply = { 'OK', format('%014x', tick), sub(terms, 1, 1) .. mark .. '0000' .. table.concat(answers) }
  if #members > 0 then
    call('ZADD', tables.OUT, unpack(members))
    call('HSET', tables.SHARD, 'tick', reply[2])
  end
  for i = 1, count do
    if told[owners[i]] then
      tell(owners[i], 'results', 0, told[owners[i]] ~= '' and told[owners[i]])
    end
  end
  marks[#marks + 1], marks[#marks + 2] = fields[2], lane_call .. reply[3]
  call('HSET', tables.CALLS, unpack(marks))
  if not is_there then
    call('PEXPIREAT', tables.OUT, expiry)
  end
  return reply
end

return usual_frames
