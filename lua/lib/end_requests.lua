-- end_requests: the one place where requests end. Record, body and due go away, a waiting one leaves the line, the
-- runner of a claimed one is told to refresh unless it is `told` otherwise, and a final goes to the owner unless the
-- caller stores its own (own result, reset). An end is { owner, ticket, field, record, final = kind or nil, reason,
-- fence, number, told }. `mails`, if given, are posted before the finals.
--
-- INCLUDE post is_held_by
-- DEFER dequeue
local function end_requests(ends, mails)
  local fields, tickets, lines = {}, {}, {}
  mails = mails or {}
  for i = 1, #ends do
    local one = ends[i]
    fields[i], tickets[i] = one.field, one.ticket
    if one.final then
      mails[#mails + 1] = { owner = one.owner, ticket = one.ticket, fence = one.fence, number = one.number,
        kind = one.final, payload = one.reason }
    end
    if not is_claimed(one.record) then
      lines[one.owner] = lines[one.owner] or {}
      table.insert(lines[one.owner], one.ticket)
    elseif not one.told then
      tell(sub(one.record, RUNNER), 'refresh')
    end
  end
  for owner, waiting in pairs(lines) do
    dequeue(owner, waiting)
  end
  if #ends > 0 then
    call('HDEL', REQUEST, unpack(fields))
    call('HDEL', BODY, unpack(fields))
    call('ZREM', DUE, unpack(tickets))
  end
  if #mails > 0 then
    post(mails)
  end
end
