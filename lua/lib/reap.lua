-- visit: a claim or a refresh looks at the shard. If nobody did for more than half a lease (failover, paused machine,
-- clock step), claims whose lease is over are stepped over for one lease, so that an outage does not take
-- everybody's work away. A silence opens a grace only if the last visit before it came after the end of the
-- previous grace: a rarely visited shard is reaped too.
--
-- reap: look at the first `limit` of `due` up to now. Past its deadline: ended as expired. Claimed and its lease over:
-- one try fewer; none left: a copy to `dead` and ended as failed; else back to its place in line.
-- Answers whether there is more. Most calls find nothing due, and have then read the head of `due`, once.
--
-- INCLUDE enqueue end_requests inter holds
local function visit()
  if visited > 0 and now - visited > lease / 2 and visited > grace then
    grace = now + lease
    note('grace', format('%d', grace))
  end
  visited = now
  note('visited', format('%d', now))
  next_tick()
end

local function give_up(one, spent)
  inter(one.ticket, one.field, 'no tries left', spent)
  one.final, one.reason = 'failed', 'no tries left: ' .. format('%d', spent) .. ' runners lost it'
  return one
end

-- the record of a request that waits again, one try fewer
local function next_try(record)
  local left, spent = hex(record, LEFT, 2) - 1, hex(record, SPENT, 2) + 1
  return sub(record, 1, LEFT - 1) .. format('%02x|%02x', left, spent) .. sub(record, BYTES - 1, WAITING_LENGTH)
end

-- ms of the head of `due` if nothing was due; nil: something was
local first_due

local function reap(limit)
  local head = call('ZRANGE', DUE, '0', '0', 'WITHSCORES')
  local first = tonumber(head[2] or math.huge)
  if first > now then
    first_due = first
    return false
  end
  local tickets = call('ZRANGEBYSCORE', DUE, '-inf', format('%d', now), 'LIMIT', '0', format('%d', limit))
  local ends, lines = {}, {}
  for i = 1, #tickets do
    local ticket = tickets[i]
    local owner = owner_of(ticket)
    local field, deadline = field_of(ticket, owner), hex(ticket, #owner + 1 + DEADLINE, 12)
    local record = call('HGET', REQUEST, field)
    local one = { owner = owner, ticket = ticket, field = field, record = record, final = 'expired', reason = '' }
    if not stands(record, middle_of(ticket, owner)) then
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

-- ms until the shard must be looked at again, -1 if nothing is due; `own`: the least time that the caller wrote since
local function next_due(own)
  local first = first_due and min(first_due, own)
    or tonumber(call('ZRANGE', DUE, '0', '0', 'WITHSCORES')[2] or math.huge)
  return first < math.huge and format('%d', max(0, first - now)) or '-1'
end
