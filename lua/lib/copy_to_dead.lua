-- copy_to_dead: keep a copy of a request that is given up in the capped stream `dead`, with its body up to 64 KiB; its size
-- tells a body left out from an empty one.
--
-- INCLUDE enter
local DEAD_LENGTH, DEAD_BODY = '1000', 65536

local function copy_to_dead(ticket, field, reason, tries_spent)
  local bytes = call('HSTRLEN', BODY, field)
  local body = bytes <= DEAD_BODY and call('HGET', BODY, field) or ''
  call('XADD', DEAD, 'MAXLEN', '~', DEAD_LENGTH, '*', 'ticket', ticket, 'reason', reason,
    'spent', format('%d', tries_spent), 'bytes', format('%d', bytes), 'body', body)
  made(DEAD)
end
