-- Compares the caller's pending tickets with what the shard holds, and mends that if a table was lost. Answers the indexes
-- from 0 of the tickets that the shard does not know: nothing of them is left then, and the caller puts them again.
--
-- GIVES  mend_pending(pending)
-- WRITES waiting, due, body
local caller = require('lib.caller')
local is_current = require('lib.is_current')
local mend = require('lib.mend')
local mend_line = require('lib.mend_line')
local tables = require('lib.tables')
local call = redis.call

local function mend_pending(pending)
  local records = #pending.fields > 0 and call('HMGET', tables.REQUEST, unpack(pending.fields)) or {}
  local standing, unknown, gone, bodies = {}, {}, {}, {}
  for i = 1, #pending.tickets do
    local ticket, field, record = pending.tickets[i], pending.fields[i], records[i]
    if not is_current(record, pending.stamps[i]) then
      unknown[#unknown + 1], gone[#gone + 1] = i - 1, ticket
      bodies[#bodies + 1] = not record and field or nil
    else
      standing[#standing + 1] = { owner = pending.owners[i], ticket = ticket, field = field, record = record }
    end
  end
  if #gone > 0 then
    call('ZREM', tables.WAITING, unpack(gone))
    call('ZREM', tables.DUE, unpack(gone))
  end
  if #bodies > 0 then
    call('HDEL', tables.BODY, unpack(bodies))
  end
  if #standing > 0 then
    mend(standing)
  end
  mend_line(caller.node, #gone > 0)
  return unknown
end

return mend_pending
