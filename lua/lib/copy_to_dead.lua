-- Keeps a copy of a request that is given up in the capped stream `dead`, with its body up to 64 KiB. Its size tells a
-- body that was left out from an empty one.
--
-- GIVES  copy_to_dead(ticket, field, reason, tries_spent)
-- WRITES dead
local shard = require('lib.shard')
local tables = require('lib.tables')
local call, format = redis.call, string.format
local DEAD_LENGTH, DEAD_BODY = '1000', 65536

local function copy_to_dead(ticket, field, reason, tries_spent)
  local bytes = call('HSTRLEN', tables.BODY, field)
  local body = bytes <= DEAD_BODY and call('HGET', tables.BODY, field) or ''
  call('XADD', tables.DEAD, 'MAXLEN', '~', DEAD_LENGTH, '*', 'ticket', ticket, 'reason', reason,
    'spent', format('%d', tries_spent), 'bytes', format('%d', bytes), 'body', body)
  shard.made(tables.DEAD)
end

return copy_to_dead
