-- Takes work: own tickets, or those of the peer that the policy names; lowers the load of their owners, and leases them
-- to the caller under fences. With nothing to take the caller enters `idle`. With limit 0 it only rings: so a busy node
-- passes a wake-up on. What it asks for: lib/wanted.lua.
--
-- RETURNS status, tick, on (14 hex digits: the caller's mark before, see put_results.lua) and claims: fence (14 hex digits),
--         tries left|tries spent|bytes|arrival (2, 2, 8 and 14), b if its body follows else -, length (4 hex digits),
--         ticket; then ms until a peer's head may be stolen, or the caller may take one that it gave back, ms to the first
--         due, and where to ask on at once, as this call's looks are used up (-1: none), bodies
-- STATUS OK IDLE BLOCKED KEEPING
-- COST   O(limit log waiting)
-- WRITES nothing
local caller = require('lib.caller')
local due = require('lib.due')
local enter = require('lib.enter')
local lease = require('lib.lease')
local leave = require('lib.leave')
local rest = require('lib.rest')
local shard = require('lib.shard')
local shorten = require('lib.shorten')
local visit = require('lib.visit')
local wanted = require('lib.wanted')
local format, min, sub = string.format, math.min, string.sub
-- most due entries that a claim looks at, and most tickets that it looks at beyond its limit
local REAP, LOOKS = 16, 100
local AT_ONCE, NO_MARK = '1', '00000000000000'

-- picks tickets within the bounds; answers the lines that were read for them
local function choose(take)
  if shard.stored[6] and (wanted.limit > 0 or wanted.keep_for == 0) then
    require('lib.take_kept')(take)
  end
  if wanted.limit == 0 then
    return {}
  end
  return caller.policy == 'oldest' and require('lib.pick_oldest')(take)
    or require('lib.pick_lucky')(take)
end

local take = { limit = wanted.limit, looks = wanted.limit + LOOKS, picks = {}, expired = {}, tokens = 0, bytes = 0,
  never = 0, paused = 0, not_now = 0, least = math.huge, free_in = math.huge, removed = 0, kept_order = math.huge,
  next = -1, spent = false, full = false }
local held = caller.node .. '|held'
local refused, calls, is_new = enter('claim', nil, { '', '', held })
if refused then
  return refused
end
local grace, first_due = visit(), due.first()
if first_due <= shard.now then
  require('lib.reap')(REAP, grace)
end

local lines = choose(take)
take.least = min(take.least, shorten(lines, take))
local claims, bodies, first, lost = lease(take.picks)
local on = not is_new and calls[3] and sub(calls[3], 1, 14) or NO_MARK
if claims ~= '' then
  shard.remember(held, format('%014x', shard.tick) .. on)
end
for i = 1, #lost do
  take.expired[#take.expired + 1] = lost[i]
end
if #take.expired > 0 then
  require('lib.end_requests')(take.expired)
  -- it may have been one of these
  first_due = 0
end
local status = claims ~= '' and 'OK' or take.keeper == caller.node and 'KEEPING'
  or take.not_now > 0 and 'BLOCKED' or 'IDLE'
-- where the caller asks on at once; what it removed has gone, so that the same search goes on behind it
local further = take.spent and #take.picks == 0 and (take.removed > 0 and wanted.ask_on or take.next) or -1
local again = rest(status, take, further, lines)
if take.free_in < (again == '-1' and math.huge or tonumber(again)) then
  again = format('%d', take.free_in)
end
-- behind requests whose bodies are gone others may wait
again = #lost > 0 and AT_ONCE or again
local reply = { status, format('%014x', shard.tick), on .. claims, again, due.next_in(first_due, first),
  format('%d', further) }
for i = 1, #bodies do
  reply[#reply + 1] = bodies[i]
end
return leave('claim', reply)
