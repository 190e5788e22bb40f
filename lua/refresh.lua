-- The caller's heartbeat. Extends the leases of what it holds, and ends what is past its deadline, or what the loss of
-- its owner ends. Answers whose owners are silent, which of the caller's pending tickets the shard does not know, and
-- mends what it holds of the others if a table was lost. Removes its mailbox up to the cursor, reaps, forgets nodes that
-- were silent for the shard's ttl, mends a few records of any owner, and gives all tables the shard's one expiry, at
-- least that ttl ahead.
--
-- ARGV[14] reap_limit   most due tickets to look at
-- ARGV[15] cursor       of the caller's mailbox, see take_results.lua
-- ARGV[16] alive        ms for which the caller counts as alive without another refresh
-- ARGV[17] held         number of claims that follow
-- ARGV[18..] ticket fence   of each claim; then the caller's pending tickets, one argument each
-- RETURNS status, tick, indexes from 0 of lost claims, indexes from 0 of unknown tickets (both joined by ' '), more to
--         do (0 or 1), ms to the first due, or to the first owner's silence (-1: none); then, if there are any, indexes of
--         claims whose owners are silent
-- STATUS OK
-- COST   O(n log due)
-- WRITES node, due
local bounds = require('lib.bounds')
local boxes = require('lib.boxes')
local caller = require('lib.caller')
local due = require('lib.due')
local end_requests = require('lib.end_requests')
local enter = require('lib.enter')
local is_held_by = require('lib.is_held_by')
local is_lost = require('lib.is_lost')
local layout = require('lib.layout')
local leave = require('lib.leave')
local mend_pending = require('lib.mend_pending')
local named = require('lib.named')
local shard = require('lib.shard')
local silent_in = require('lib.silent_in')
local tables = require('lib.tables')
local visit = require('lib.visit')
local call, format, max, min = redis.call, string.format, math.max, math.min
local reap_limit, cursor, alive, held = tonumber(ARGV[14]), ARGV[15], tonumber(ARGV[16]), tonumber(ARGV[17])
local FIRST, WIDTH, DAY = 18, 2, 86400000
assert(reap_limit >= 0 and reap_limit <= bounds.ITEMS and (cursor == '' or #cursor == 14 or #cursor == 56)
  and alive >= 1 and alive <= bounds.MS, 'an argument is out of its range')
local claims = named(FIRST, WIDTH, held)
local pending = named(FIRST + held * WIDTH, 1, #ARGV - FIRST - held * WIDTH + 1)
local refused, calls = enter(nil, nil, { '', '', caller.node .. '|box' })
if refused then
  return refused
end
local grace = visit()
call('ZADD', tables.NODE, format('%d', shard.now + alive), caller.node)

local records = held > 0 and call('HMGET', tables.REQUEST, unpack(claims.fields)) or {}
local dues, ends, ended, lost, lefts, silent, first_silence = {}, {}, {}, {}, {}, {}, math.huge

-- it ends here, and its runner learns so by the answer
local function finish(i, one)
  ended[one.field] = true
  lost[#lost + 1], ends[#ends + 1] = i - 1, one
end

for i = 1, held do
  local owner, ticket, field, record = claims.owners[i], claims.tickets[i], claims.fields[i], records[i]
  local one = { owner = owner, ticket = ticket, field = field, record = record, told = true }
  if ended[field] or not is_held_by(record, claims.stamps[i], ARGV[FIRST + (i - 1) * WIDTH + 1]) then
    lost[#lost + 1] = i - 1
  elseif layout.hex(record, layout.DEADLINE, 12) <= shard.now then
    one.final, one.reason = 'expired', ''
    finish(i, one)
  else
    lefts[owner] = lefts[owner] or silent_in(owner)
    if lefts[owner] > 0 then
      first_silence = min(first_silence, shard.now + lefts[owner])
    else
      silent[#silent + 1] = i - 1
    end
    if is_lost(one) then
      finish(i, one)
    else
      dues[#dues + 1] = format('%d', min(shard.now + caller.lease, layout.hex(record, layout.DEADLINE, 12)))
      dues[#dues + 1] = ticket
    end
  end
end
if #dues > 0 then
  call('ZADD', tables.DUE, unpack(dues))
end

local unknown = mend_pending(pending)
end_requests(ends)
if cursor ~= '' and require('lib.confirm')(string.sub(cursor, 1, 14)) and calls[3] then
  shard.remember(caller.node .. '|box', boxes.taken(calls[3], string.sub(cursor, 15)))
end

local first_due = due.first()
local more = first_due <= shard.now and require('lib.reap')(reap_limit, grace)
more = require('lib.forget_nodes')() or more
more = require('lib.patrol')() or more
shard.outlast(shard.now + (call('XLEN', tables.DEAD) > 0 and max(shard.ttl, DAY) or shard.ttl))
local reply = { 'OK', format('%014x', shard.tick), table.concat(lost, ' '), table.concat(unknown, ' '), more and '1' or '0',
  due.next_in(first_due, first_silence) }
if #silent > 0 then
  reply[#reply + 1] = table.concat(silent, ' ')
end
return leave(nil, reply, nil, true)
