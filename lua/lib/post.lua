-- post: append results to owners' mailboxes, each under a tick of its own. A mail is { owner, ticket, fence, number,
-- kind, payload }. An owner that the shard has not heard of within ttl is noted as silent, so that forget_nodes finds it.
--
-- INCLUDE enter tell
local NO_FENCE, NO_NUMBER = '00000000000000', '00000000'
local KIND = { chunk = 'c', finished = 'f', failed = 'x', cancelled = 'k', expired = 'e' }

local function post(mails)
  local members, owners, lengths = {}, {}, {}
  for i = 1, #mails do
    local mail, length = mails[i], #mails[i].ticket
    lengths[length] = lengths[length] or format('%04x', length)
    members[2 * i - 1] = '0'
    members[2 * i] = mail.owner .. '|' .. next_tick() .. '|' .. lengths[length] .. mail.ticket
      .. (mail.fence or NO_FENCE) .. (mail.number or NO_NUMBER) .. KIND[mail.kind] .. mail.payload
    owners[mail.owner] = true
  end
  call('ZADD', OUT, unpack(members))
  if call('ZCARD', OUT) == #mails then
    made(OUT)
  end
  for owner in pairs(owners) do
    if not call('ZSCORE', NODE, owner) then
      call('ZADD', NODE, format('%d', now), owner)
    end
    tell(owner, 'results')
  end
end
