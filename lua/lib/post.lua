-- Appends results to their owners' mailboxes, each under a tick of its own, and tells the owners. A mail is { owner,
-- ticket, fence, number, kind, runner, payload }: a final names the runner that held the request, empty if it waited; a
-- chunk has none. An owner that is not in `node`, as the shard has not heard of it within ttl, is
-- entered as silent: so forget_nodes finds its mailbox.
--
-- GIVES  post(mails)
-- WRITES out, node
local shard = require('lib.shard')
local tables = require('lib.tables')
local tell = require('lib.tell')
local call, format = redis.call, string.format
local NO_FENCE, NO_NUMBER = '00000000000000', '00000000'
local KIND = { chunk = 'c', finished = 'f', failed = 'x', cancelled = 'k', expired = 'e', lost = 'l' }

local function post(mails)
  local members, owners, lengths = {}, {}, {}
  for i = 1, #mails do
    local mail, length = mails[i], #mails[i].ticket
    lengths[length] = lengths[length] or format('%04x', length)
    local runner = mail.runner and format('%02x', #mail.runner) .. mail.runner or ''
    members[2 * i - 1] = '0'
    members[2 * i] = mail.owner .. '|' .. shard.next_tick() .. '|' .. lengths[length] .. mail.ticket
      .. (mail.fence or NO_FENCE) .. (mail.number or NO_NUMBER) .. KIND[mail.kind] .. runner .. mail.payload
    owners[mail.owner] = true
  end
  call('ZADD', tables.OUT, unpack(members))
  if call('ZCARD', tables.OUT) == #mails then
    shard.made(tables.OUT)
  end
  for owner in pairs(owners) do
    if not call('ZSCORE', tables.NODE, owner) then
      call('ZADD', tables.NODE, format('%d', shard.now), owner)
    end
    tell(owner, 'results')
  end
end

return post
