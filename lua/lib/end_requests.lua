-- Ends requests; no other file does. Record, body and due entry are removed, and a waiting ticket leaves the line. The
-- runner of a claimed one is told to refresh, unless `told` says that it knows; and frames of its claim are cut from then on
-- (take_away.lua), unless it ended it itself (`by_result`). The owner is posted a final, unless it has
-- it (`own`: it is the caller, and the runner), or there is none (a reset). One that failed or expired is kept in `dead` if
-- its owner wants that.
--
-- An end is { owner, ticket, field, record, final = kind or nil, reason, fence, number, told, by_result, own, dead = lost or
-- undecodable if it is more than that it failed, error = the last one if it is not the reason }. `mails`, if given, are
-- posted before the finals. `rung`: owners that have been told.
--
-- GIVES  end_requests(ends, mails, rung)
-- WRITES request, body, due
local is_claimed = require('lib.is_claimed')
local layout = require('lib.layout')
local post = require('lib.post')
local tables = require('lib.tables')
local tell = require('lib.tell')
local call, sub = redis.call, string.sub

local function end_requests(ends, mails, rung)
  local fields, tickets, lines, lost = {}, {}, {}, nil
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
    elseif not one.by_result then
      local runner = layout.runner_of(one.record)
      lost = lost or {}
      lost[runner] = (lost[runner] or '') .. sub(one.record, layout.HOLDER, layout.HOLDER + 13)
      if not one.told then
        tell(runner, 'refresh')
      end
    end
  end
  for owner, waiting in pairs(lines) do
    require('lib.dequeue')(owner, waiting)
  end
  if lost then
    require('lib.take_away')(lost)
  end
  if #ends > 0 then
    call('HDEL', tables.REQUEST, unpack(fields))
    call('HDEL', tables.BODY, unpack(fields))
    call('ZREM', tables.DUE, unpack(tickets))
  end
  if #mails > 0 then
    post(mails, rung)
  end
end

return end_requests
