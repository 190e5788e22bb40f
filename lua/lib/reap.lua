-- Looks at the first `limit` entries of `due` up to now. A request past its deadline ends as expired. A claimed one whose
-- lease is over has one try fewer: without any left it ends as failed, else it goes back to its place in line. `grace`: see
-- `visit`. Answers whether there is more to do.
--
-- GIVES  reap(limit, grace)
-- WRITES due, body, request
local end_requests = require('lib.end_requests')
local enqueue = require('lib.enqueue')
local is_current = require('lib.is_current')
local layout = require('lib.layout')
local least_tokens = require('lib.least_tokens')
local lose_try = require('lib.lose_try')
local ring = require('lib.ring')
local shard = require('lib.shard')
local tables = require('lib.tables')
local call, format, min, sub = redis.call, string.format, math.min, string.sub

local function reap(limit, grace)
  local tickets = call('ZRANGEBYSCORE', tables.DUE, '-inf', format('%d', shard.now), 'LIMIT', '0', format('%d', limit))
  local ends, lines, lost = {}, {}, {}
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
    else
      local waiting = lose_try(one, 'lost it', '')
      if waiting then
        call('HSET', tables.REQUEST, field, waiting)
        local runner = layout.runner_of(record)
        lost[runner] = (lost[runner] or '') .. sub(record, layout.HOLDER, layout.HOLDER + 13)
        lines[owner] = lines[owner] or {}
        table.insert(lines[owner], ticket)
      else
        ends[#ends + 1] = one
      end
    end
  end
  require('lib.take_away')(lost)
  end_requests(ends)
  for owner, line in pairs(lines) do
    enqueue(owner, line)
    ring(owner, least_tokens(line, owner), 0)
  end
  return #tickets == limit
end

return reap
