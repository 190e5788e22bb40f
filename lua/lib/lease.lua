-- Leases picked tickets to the caller: each gets a fence and the caller as its runner, and is due when its lease ends, or
-- at its deadline if that is earlier. Answers the claims as the script replies them, the fields of the bodies that are
-- sent along, and the least time (ms) that it wrote to `due`.
--
-- GIVES  lease(picks)
-- WRITES request, due
local caller = require('lib.caller')
local layout = require('lib.layout')
local shard = require('lib.shard')
local tables = require('lib.tables')
local call, format, min, sub = redis.call, string.format, math.min, string.sub

local function lease(picks)
  local marks, dues, bodies_of, claims, first, lengths = {}, {}, {}, {}, math.huge, {}
  if #picks == 0 then
    return '', bodies_of, first
  end
  local node, lease_end = caller.node, shard.now + caller.lease
  local lease_text = format('%d', lease_end)
  for i = 1, #picks do
    local one = picks[i]
    local fence, length, record = shard.next_tick(), #one.ticket, one.record
    lengths[length] = lengths[length] or format('%04x', length)
    marks[2 * i - 1], marks[2 * i] = one.field, record .. '|' .. fence .. '|' .. node
    first = min(first, lease_end, one.deadline)
    dues[2 * i - 1] = one.deadline < lease_end and format('%d', one.deadline) or lease_text
    dues[2 * i] = one.ticket
    claims[i] = fence .. sub(record, layout.LEFT, layout.LEFT + 1) .. sub(record, layout.SPENT, layout.SPENT + 1)
      .. (one.body and 'b' or '-') .. lengths[length] .. one.ticket
    if one.body then
      bodies_of[#bodies_of + 1] = one.field
    end
  end
  call('HSET', tables.REQUEST, unpack(marks))
  call('ZADD', tables.DUE, unpack(dues))
  return table.concat(claims), bodies_of, first
end

return lease
