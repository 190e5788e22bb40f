-- Appends results to their owners' mailboxes, each under a tick of its own, and tells the owners, but for those that were
-- told (`rung`). A mail is { owner, ticket, fence, number, kind, totals, record, payload }. A chunk has totals (boxes.lua).
-- A final has a record, the request's last: the owner is told all of it from the tries spent on, which says who had it, and
-- since when. An owner that is not in `node`, as the shard has not
-- heard of it within ttl, is entered there, so that forget_nodes finds its mailbox: with a lease to speak, as the table may
-- have been lost.
--
-- GIVES  post(mails, rung)
-- WRITES out, node
local caller = require('lib.caller')
local layout = require('lib.layout')
local shard = require('lib.shard')
local tables = require('lib.tables')
local tell = require('lib.tell')
local call, format, sub = redis.call, string.format, string.sub
local NO_FENCE, NO_NUMBER = '00000000000000', '00000000'
local KIND = { chunk = 'c', finished = 'f', done = 'd', failed = 'x', cancelled = 'k', expired = 'e', lost = 'l' }

local function post(mails, rung)
  local members, owners, lengths = {}, {}, {}
  for i = 1, #mails do
    local mail, length = mails[i], #mails[i].ticket
    local story = mail.record and sub(mail.record, layout.SPENT) or nil
    lengths[length] = lengths[length] or format('%04x', length)
    if story then
      lengths[#story] = lengths[#story] or format('%04x', #story)
      story = lengths[#story] .. story
    end
    members[2 * i - 1] = '0'
    members[2 * i] = mail.owner .. '|' .. shard.next_tick() .. '|' .. lengths[length] .. mail.ticket
      .. (mail.fence or NO_FENCE) .. (mail.number or NO_NUMBER) .. KIND[mail.kind] .. (story or mail.totals) .. mail.payload
    owners[mail.owner] = true
  end
  call('ZADD', tables.OUT, unpack(members))
  if call('ZCARD', tables.OUT) == #mails then
    shard.made(tables.OUT)
  end
  for owner in pairs(owners) do
    if not call('ZSCORE', tables.NODE, owner) then
      call('ZADD', tables.NODE, format('%d', shard.now + caller.lease), owner)
    end
    if not (rung and rung[owner]) then
      tell(owner, 'results')
    end
  end
end

return post
