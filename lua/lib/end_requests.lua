-- Ends requests; no other file does. Record, body and due entry are removed, and a waiting ticket leaves the line. The
-- runner of a claimed one is told to refresh, unless `told` says that it knows. The owner is posted a final, unless it has
-- it (`own`: it is the caller, and the runner), or there is none (a reset). One that failed or expired is kept in `dead` if
-- its owner wants that.
--
-- An end is { owner, ticket, field, record, final = kind or nil, reason, fence, number, told, own, dead = lost or
-- undecodable if it is more than that it failed, error = the last one if it is not the reason }. `mails`, if given, are
-- posted before the finals.
--
-- GIVES  end_requests(ends, mails)
-- WRITES request, body, due
local is_claimed = require('lib.is_claimed')
local layout = require('lib.layout')
local post = require('lib.post')
local tables = require('lib.tables')
local tell = require('lib.tell')
local call = redis.call

local function end_requests(ends, mails)
  local fields, tickets, lines = {}, {}, {}
  mails = mails or {}
  for i = 1, #ends do
    local one = ends[i]
    fields[i], tickets[i] = one.field, one.ticket
    if one.final == 'failed' or one.final == 'expired' then
      require('lib.copy_to_dead')(one)
    end
    if one.final and not one.own then
      mails[#mails + 1] = { owner = one.owner, ticket = one.ticket, fence = one.fence, number = one.number,
        kind = one.final, record = one.record, payload = one.reason }
    end
    if not is_claimed(one.record) then
      lines[one.owner] = lines[one.owner] or {}
      table.insert(lines[one.owner], one.ticket)
    elseif not one.told then
      tell(layout.runner_of(one.record), 'refresh')
    end
  end
  for owner, waiting in pairs(lines) do
    require('lib.dequeue')(owner, waiting)
  end
  if #ends > 0 then
    call('HDEL', tables.REQUEST, unpack(fields))
    call('HDEL', tables.BODY, unpack(fields))
    call('ZREM', tables.DUE, unpack(tickets))
  end
  if #mails > 0 then
    post(mails)
  end
end

return end_requests
