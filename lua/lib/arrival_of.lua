-- The arrival of an owner's first ticket, ms; 0 if it has none, or if that lies ahead of the clock: the clock was set back,
-- and the ticket has waited long enough. `record`: of that ticket; nil: it is read.
--
-- GIVES  arrival_of(owner, record)
-- WRITES nothing
local layout = require('lib.layout')
local shard = require('lib.shard')
local tables = require('lib.tables')
local call = redis.call

local function arrival_of(owner, record)
  if not record then
    local first = call('ZRANGEBYLEX', tables.WAITING, '[' .. owner .. '|', '(' .. owner .. '}', 'LIMIT', '0', '1')[1]
    record = first and call('HGET', tables.REQUEST, layout.field_of(first, owner))
  end
  local arrival = record and layout.hex(record, layout.ARRIVAL, 14) / 1000 or 0
  return arrival <= shard.now and arrival or 0
end

return arrival_of
