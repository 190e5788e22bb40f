-- Puts right what a shard holds of these requests when one of its tables was lost, or a part of one. Each has its record,
-- and the rest follows from that: a request that waits is in line and due at its deadline, one that is held is due when its
-- lease ends. One that waits and whose body is gone can be run by nobody: it ends as `lost`, and its owner, which has the
-- payload, puts it again. A request is { owner, ticket, field, record: current }. Answers whether anything was wrong.
--
-- GIVES  mend(requests)
-- WRITES due
local caller = require('lib.caller')
local end_requests = require('lib.end_requests')
local enqueue = require('lib.enqueue')
local is_claimed = require('lib.is_claimed')
local layout = require('lib.layout')
local mend_line = require('lib.mend_line')
local ring = require('lib.ring')
local shard = require('lib.shard')
local tables = require('lib.tables')
local call, format, min = redis.call, string.format, math.min

-- those of the requests whose tickets the sorted set does not have
local function missing(key, requests)
  local tickets, gone = {}, {}
  for i = 1, #requests do
    tickets[i] = requests[i].ticket
  end
  local scores = #tickets > 0 and call('ZMSCORE', key, unpack(tickets)) or {}
  for i = 1, #tickets do
    if not scores[i] then
      gone[#gone + 1] = requests[i]
    end
  end
  return gone
end

local function due_at(record)
  local deadline = layout.hex(record, layout.DEADLINE, 12)
  return format('%d', is_claimed(record) and min(deadline, shard.now + caller.lease) or deadline)
end

local function mend(requests)
  -- `body` and `due` hold as many as `request` in a shard that is whole: then they are not looked into
  local count = call('HLEN', tables.REQUEST)
  local has_bodies, has_dues = call('HLEN', tables.BODY) == count, call('ZCARD', tables.DUE) == count
  local ends, rest, waits, lines, owners = {}, {}, {}, {}, {}
  for i = 1, #requests do
    local one = requests[i]
    local waiting = not is_claimed(one.record)
    if waiting and not has_bodies and call('HEXISTS', tables.BODY, one.field) == 0 then
      one.final, one.reason = 'lost', ''
      ends[#ends + 1] = one
    else
      rest[#rest + 1] = one
      waits[#waits + 1] = waiting and one or nil
    end
    owners[one.owner] = owners[one.owner] or waiting
  end
  local undue, strays = has_dues and {} or missing(tables.DUE, rest), missing(tables.WAITING, waits)
  for i = 1, #undue do
    call('ZADD', tables.DUE, due_at(undue[i].record), undue[i].ticket)
  end
  for i = 1, #strays do
    local owner = strays[i].owner
    lines[owner] = lines[owner] or {}
    table.insert(lines[owner], strays[i].ticket)
  end
  local wrong = #ends + #undue + #strays > 0
  end_requests(ends)
  for owner, line in pairs(lines) do
    enqueue(owner, line)
  end
  for owner, waiting in pairs(owners) do
    wrong = waiting and mend_line(owner, wrong) or wrong
  end
  for owner in pairs(lines) do
    ring(owner, 0)
  end
  return wrong
end

return mend
