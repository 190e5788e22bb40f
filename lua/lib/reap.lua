-- Looks at the first `limit` entries of `due` up to now. A request past its deadline ends as expired. A claimed one whose
-- lease is over has one try fewer: without any left it is copied to `dead` and ends as failed, else it goes back to its
-- place in line. `grace`: see `visit`. Answers whether there is more to do.
--
-- GIVES  reap(limit, grace)
-- WRITES due, body, request
local end_requests = require('lib.end_requests')
local enqueue = require('lib.enqueue')
local is_current = require('lib.is_current')
local layout = require('lib.layout')
local least_tokens = require('lib.least_tokens')
local ring = require('lib.ring')
local shard = require('lib.shard')
local tables = require('lib.tables')
local call, format, min, sub = redis.call, string.format, math.min, string.sub

local function give_up(one, tries_spent)
  require('lib.copy_to_dead')(one.ticket, one.field, 'no tries left', tries_spent)
  one.final, one.reason = 'failed', 'no tries left: ' .. format('%d', tries_spent) .. ' runners lost it'
  return one
end

-- the record of a request that waits again, one try fewer
local function next_try(record)
  local tries_left, tries_spent = layout.hex(record, layout.LEFT, 2) - 1, layout.hex(record, layout.SPENT, 2) + 1
  return sub(record, 1, layout.LEFT - 1) .. format('%02x|%02x', tries_left, tries_spent)
    .. sub(record, layout.BYTES - 1, layout.WAITING_LENGTH)
end

local function reap(limit, grace)
  local tickets = call('ZRANGEBYSCORE', tables.DUE, '-inf', format('%d', shard.now), 'LIMIT', '0', format('%d', limit))
  local ends, lines = {}, {}
  for i = 1, #tickets do
    local ticket = tickets[i]
    local owner = layout.owner_of(ticket)
    local field, deadline = layout.field_of(ticket, owner), layout.hex(ticket, #owner + 1 + layout.DEADLINE, 12)
    local record = call('HGET', tables.REQUEST, field)
    local one = { owner = owner, ticket = ticket, field = field, record = record, final = 'expired', reason = '' }
    if not is_current(record, layout.stamp_of(ticket, owner)) then
      call('ZREM', tables.DUE, ticket)
      if not record then
        call('HDEL', tables.BODY, field)
      end
    elseif deadline <= shard.now then
      ends[#ends + 1] = one
    elseif grace > shard.now then
      call('ZADD', tables.DUE, format('%d', min(grace, deadline)), ticket)
    elseif layout.hex(record, layout.LEFT, 2) <= 1 then
      ends[#ends + 1] = give_up(one, layout.hex(record, layout.SPENT, 2) + 1)
    else
      call('HSET', tables.REQUEST, field, next_try(record))
      lines[owner] = lines[owner] or {}
      table.insert(lines[owner], ticket)
    end
  end
  end_requests(ends)
  for owner, line in pairs(lines) do
    enqueue(owner, line)
    ring(owner, least_tokens(line, owner), 0)
  end
  return #tickets == limit
end

return reap
