-- reap: look at the first `limit` of `due` up to now. Past its deadline: ended as expired. Claimed and its lease over:
-- one try fewer; none left: a copy to `dead` and ended as failed; else back to its place in line.
-- Answers whether there is more.
--
-- INCLUDE enqueue end_requests ring is_held_by
-- DEFER copy_to_dead
local function give_up(one, tries_spent)
  copy_to_dead(one.ticket, one.field, 'no tries left', tries_spent)
  one.final, one.reason = 'failed', 'no tries left: ' .. format('%d', tries_spent) .. ' runners lost it'
  return one
end

-- the record of a request that waits again, one try fewer
local function next_try(record)
  local tries_left, tries_spent = hex(record, LEFT, 2) - 1, hex(record, SPENT, 2) + 1
  return sub(record, 1, LEFT - 1) .. format('%02x|%02x', tries_left, tries_spent) .. sub(record, BYTES - 1, WAITING_LENGTH)
end

local function reap(limit)
  local tickets = call('ZRANGEBYSCORE', DUE, '-inf', format('%d', now), 'LIMIT', '0', format('%d', limit))
  local ends, lines = {}, {}
  for i = 1, #tickets do
    local ticket = tickets[i]
    local owner = owner_of(ticket)
    local field, deadline = field_of(ticket, owner), hex(ticket, #owner + 1 + DEADLINE, 12)
    local record = call('HGET', REQUEST, field)
    local one = { owner = owner, ticket = ticket, field = field, record = record, final = 'expired', reason = '' }
    if not is_current(record, stamp_of(ticket, owner)) then
      call('ZREM', DUE, ticket)
      if not record then
        call('HDEL', BODY, field)
      end
    elseif deadline <= now then
      ends[#ends + 1] = one
    elseif grace > now then
      call('ZADD', DUE, format('%d', min(grace, deadline)), ticket)
    elseif hex(record, LEFT, 2) <= 1 then
      ends[#ends + 1] = give_up(one, hex(record, SPENT, 2) + 1)
    else
      call('HSET', REQUEST, field, next_try(record))
      lines[owner] = lines[owner] or {}
      table.insert(lines[owner], ticket)
    end
  end
  end_requests(ends)
  for owner, line in pairs(lines) do
    enqueue(owner, line)
    ring(owner, 0)
  end
  return #tickets == limit
end
