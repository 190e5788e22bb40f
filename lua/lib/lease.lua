-- Leases picked tickets to the caller: each gets a fence and the caller as its runner, and is due when its lease ends, or
-- at its deadline if that is earlier. Answers the claims as the script replies them, the bodies that are sent along, the
-- least time (ms) that it wrote to `due`, or at which an owner would be silent whose loss ends its request, and the picks
-- that are not leased as their body is gone: they have left the line and end as `lost`, so that their owner puts them
-- again.
--
-- GIVES  lease(picks)
-- WRITES request, due
local caller = require('lib.caller')
local layout = require('lib.layout')
local shard = require('lib.shard')
local tables = require('lib.tables')
local call, format, min, sub = redis.call, string.format, math.min, string.sub
local NOBODY = '|00000000000000|'

-- by pick; nil where none is sent along, false where it is gone
local function bodies_of(picks)
  local fields, at, bodies = {}, {}, {}
  for i = 1, #picks do
    if picks[i].body then
      fields[#fields + 1], at[#at + 1] = picks[i].field, i
    end
  end
  local found = #fields > 0 and call('HMGET', tables.BODY, unpack(fields)) or fields
  for i = 1, #at do
    bodies[at[i]] = found[i]
  end
  return bodies
end

-- the record with its holder; what it says of nodes that had it stays at its end (pauses.lua)
local function claimed(record, holder)
  local rest = sub(record, layout.WAITING_LENGTH + 1)
  return sub(record, 1, layout.WAITING_LENGTH) .. holder .. rest
end

local function lease(picks)
  local marks, dues, bodies, claims, first, lengths, lost = {}, {}, {}, {}, math.huge, {}, {}
  local node, lease_end, all = caller.node, shard.now + caller.lease, bodies_of(picks)
  local lease_text = format('%d', lease_end)
  for i = 1, #picks do
    local one = picks[i]
    if one.body and not all[i] then
      -- as if claimed: it is out of line already
      one.record, one.final, one.reason, one.told = claimed(one.record, NOBODY), 'lost', '', true
      lost[#lost + 1] = one
    else
      local fence, length, record = shard.next_tick(), #one.ticket, one.record
      lengths[length] = lengths[length] or format('%04x', length)
      marks[#marks + 1] = one.field
      marks[#marks + 1] = #record == layout.WAITING_LENGTH and record .. '|' .. fence .. '|' .. node
        or claimed(record, '|' .. fence .. '|' .. node)
      first = min(first, lease_end, one.deadline)
      if layout.ends_alone(record) then
        first = min(first, shard.now + require('lib.silent_in')(one.owner))
      end
      dues[#dues + 1] = one.deadline < lease_end and format('%d', one.deadline) or lease_text
      dues[#dues + 1] = one.ticket
      claims[#claims + 1] = fence .. sub(record, layout.LEFT, layout.WAITING_LENGTH)
        .. (one.body and 'b' or '-') .. lengths[length] .. one.ticket
      bodies[#bodies + 1] = all[i]
    end
  end
  if #claims > 0 then
    call('HSET', tables.REQUEST, unpack(marks))
    call('ZADD', tables.DUE, unpack(dues))
  end
  return table.concat(claims), bodies, first, lost
end

return lease
