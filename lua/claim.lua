-- Takes work: own tickets, or those of the peer that the policy names; lowers the load of their owners, and leases them
-- to the caller under fences. With nothing to take the caller enters `idle`. With limit 0 it only rings: so a busy node
-- passes a wake-up on.
--
-- ARGV[14] limit        most tickets; no more than bounds.ITEMS are taken
-- ARGV[15] alone_tokens most tokens of the call's first ticket
-- ARGV[16] sum_tokens   most tokens of all tickets, if there are several
-- ARGV[17] total_tokens most tokens of a ticket that the caller's engine can ever hold
-- ARGV[18] max_bytes    no body is added beyond, but for the first
-- ARGV[19] since        arrival from which own tickets' bodies are in the caller's memory, a tick of 14 hex digits
-- ARGV[20] idle_for     ms for which the caller is believed idle if it gets nothing
-- ARGV[21] entropy      integer that seeds the choice of the lucky peer
-- ARGV[22] patience     ms after which room is kept for a ticket that does not fit
-- ARGV[23] keep_for     ms for which the caller then keeps it without asking again; 0: it keeps room for none
-- ARGV[24] ask_on       what the last answer named, to look on from there; 0: a new search
-- RETURNS status, tick, claims: fence, tries left, tries spent (14, 2, 2 hex digits), b if its body follows else -,
--         length (4 hex digits), ticket; then ms until a peer's head may be stolen, ms to the first due, and where to ask
--         on at once, as this call's looks are used up (-1: none), bodies
-- STATUS OK IDLE BLOCKED KEEPING
-- COST   O(limit log waiting)
-- WRITES nothing
local bounds = require('lib.bounds')
local caller = require('lib.caller')
local due = require('lib.due')
local enter = require('lib.enter')
local lease = require('lib.lease')
local leave = require('lib.leave')
local rest = require('lib.rest')
local shard = require('lib.shard')
local shorten = require('lib.shorten')
local visit = require('lib.visit')
local format, min = string.format, math.min
local limit, idle_for, entropy = min(bounds.ITEMS, tonumber(ARGV[14])), tonumber(ARGV[20]), tonumber(ARGV[21])
local since, patience, keep_for, ask_on = ARGV[19], tonumber(ARGV[22]), tonumber(ARGV[23]), tonumber(ARGV[24])
-- most due entries that a claim looks at, and most tickets that it looks at beyond its limit
local REAP, LOOKS = 16, 100
local AT_ONCE = '1'

-- picks tickets within the bounds; answers the lines that were read for them
local function choose(take)
  if shard.stored[6] and (limit > 0 or keep_for == 0) then
    require('lib.take_kept')(take)
  end
  if limit == 0 then
    return {}
  end
  return caller.policy == 'oldest' and require('lib.pick_oldest')(take)
    or require('lib.pick_lucky')(take, entropy)
end

local take = { limit = limit, alone = tonumber(ARGV[15]), sum = tonumber(ARGV[16]), total = tonumber(ARGV[17]),
  max_bytes = tonumber(ARGV[18]), since = tonumber(since, 16), patience = patience, keep_for = keep_for, ask_on = ask_on,
  looks = limit + LOOKS, picks = {}, expired = {}, tokens = 0, bytes = 0, never = 0, not_now = 0, least = math.huge,
  removed = 0, kept_order = math.huge, next = -1, spent = false, full = false }
assert(limit >= 0 and limit % 1 == 0 and take.alone >= 0 and take.sum >= 0 and take.total >= 0 and take.max_bytes >= 0
  and #since == 14 and take.since and idle_for >= 0 and idle_for <= bounds.MS and entropy >= 0 and patience >= 0
  and keep_for >= 0 and keep_for <= bounds.MS and ask_on >= 0 and ask_on % 1 == 0, 'an argument is out of its range')
local refused = enter('claim')
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
for i = 1, #lost do
  take.expired[#take.expired + 1] = lost[i]
end
if #take.expired > 0 then
  require('lib.end_requests')(take.expired)
end
local status = claims ~= '' and 'OK' or take.keeper == caller.node and 'KEEPING'
  or take.not_now > 0 and 'BLOCKED' or 'IDLE'
-- where the caller asks on at once; what it removed has gone, so that the same search goes on behind it
local on = take.spent and #take.picks == 0 and (take.removed > 0 and take.ask_on or take.next) or -1
local again = rest(status, take, idle_for, on, lines)
-- behind requests whose bodies are gone others may wait
again = #lost > 0 and AT_ONCE or again
local reply = { status, format('%014x', shard.tick), claims, again, due.next_in(first_due, first), format('%d', on) }
for i = 1, #bodies do
  reply[#reply + 1] = bodies[i]
end
return leave('claim', reply)
