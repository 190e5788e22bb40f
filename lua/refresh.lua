-- The caller's heartbeat. Extends the leases of what it holds, and ends what is past its deadline. Answers which of its
-- pending tickets the shard does not know, and mends what it holds of the others if a table was lost. Removes its mailbox up
-- to the cursor, reaps, forgets nodes that were silent for the shard's ttl, mends a few records of any owner, and gives all
-- tables the shard's one expiry, at least that ttl ahead.
--
-- ARGV[14] reap_limit   most due tickets to look at
-- ARGV[15] cursor       tick of the last result the caller has; empty: none
-- ARGV[16] held         number of claims that follow
-- ARGV[17..] ticket fence   of each claim; then the caller's pending tickets, one argument each
-- RETURNS status, tick, indexes from 0 of lost claims, indexes from 0 of unknown tickets (both joined by ' '), more to
--         do (0 or 1), ms to the first due (-1: none)
-- STATUS OK
-- COST   O(n log due)
-- WRITES node, due, out
local bounds = require('lib.bounds')
local caller = require('lib.caller')
local due = require('lib.due')
local end_requests = require('lib.end_requests')
local enter = require('lib.enter')
local is_held_by = require('lib.is_held_by')
local layout = require('lib.layout')
local leave = require('lib.leave')
local mend_pending = require('lib.mend_pending')
local named = require('lib.named')
local shard = require('lib.shard')
local tables = require('lib.tables')
local visit = require('lib.visit')
local call, format, max, min = redis.call, string.format, math.max, math.min
local reap_limit, cursor, held = tonumber(ARGV[14]), ARGV[15], tonumber(ARGV[16])
local FIRST, WIDTH, DAY = 17, 2, 86400000
assert(reap_limit >= 0 and reap_limit <= bounds.ITEMS and (cursor == '' or #cursor == 14), 'an argument is out of its range')
local claims = named(FIRST, WIDTH, held)
local pending = named(FIRST + held * WIDTH, 1, #ARGV - FIRST - held * WIDTH + 1)
local refused = enter()
if refused then
  return refused
end
local grace = visit()
call('ZADD', tables.NODE, format('%d', shard.now + caller.lease), caller.node)

local records = held > 0 and call('HMGET', tables.REQUEST, unpack(claims.fields)) or {}
local dues, ends, ended, lost = {}, {}, {}, {}
for i = 1, held do
  local ticket, field, record = claims.tickets[i], claims.fields[i], records[i]
  if ended[field] or not is_held_by(record, claims.stamps[i], ARGV[FIRST + (i - 1) * WIDTH + 1]) then
    lost[#lost + 1] = i - 1
  elseif layout.hex(record, layout.DEADLINE, 12) <= shard.now then
    ended[field] = true
    lost[#lost + 1] = i - 1
    ends[#ends + 1] = { owner = claims.owners[i], ticket = ticket, field = field, record = record, told = true,
      final = 'expired', reason = '' }
  else
    dues[#dues + 1] = format('%d', min(shard.now + caller.lease, layout.hex(record, layout.DEADLINE, 12)))
    dues[#dues + 1] = ticket
  end
end
if #dues > 0 then
  call('ZADD', tables.DUE, unpack(dues))
end

local unknown = mend_pending(pending)
end_requests(ends)
if cursor ~= '' then
  call('ZREMRANGEBYLEX', tables.OUT, '[' .. caller.node .. '|', '(' .. caller.node .. '|' .. cursor .. '}')
end

local first_due = due.first()
local more = first_due <= shard.now and require('lib.reap')(reap_limit, grace)
more = require('lib.forget_nodes')() or more
more = require('lib.patrol')() or more
shard.outlast(shard.now + (call('XLEN', tables.DEAD) > 0 and max(shard.ttl, DAY) or shard.ttl))
local reply = { 'OK', format('%014x', shard.tick), table.concat(lost, ' '), table.concat(unknown, ' '), more and '1' or '0',
  due.next_in(first_due, math.huge) }
return leave(nil, reply, nil, true)
