-- inter: keep a copy of a request that is given up in the capped stream `dead`, with its body up to 64 KiB.
--
-- INCLUDE enter
local DEAD_LENGTH, DEAD_BODY = '1000', 65536

local function inter(ticket, field, reason, spent)
  local body = call('HSTRLEN', BODY, field) <= DEAD_BODY and call('HGET', BODY, field) or ''
  call('XADD', DEAD, 'MAXLEN', '~', DEAD_LENGTH, '*', 'ticket', ticket, 'reason', reason,
    'spent', format('%.0f', spent), 'body', body)
  made(DEAD)
end
