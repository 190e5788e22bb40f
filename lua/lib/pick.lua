-- Takes the ticket in front of a line if the call's bounds allow. A ticket with more tokens than are left of the bound (or,
-- a peer's, than the engine can ever hold) blocks its line for this call; other lines go on. The first ticket of a call
-- may be larger than the sum of several. An expired ticket is set aside to be ended. A ticket whose record is of another
-- request (a table was lost) leaves the line.
--
-- `take` is the record of what the call may take and has taken: { limit: most tickets, alone, sum, total: most tokens (see
-- claim.lua), max_bytes, since, looks: tickets that the call may still look at, picks, expired, tokens and bytes: taken,
-- full: nothing more may be taken }. A pick is { owner, ticket, field, record, deadline, body: its body is sent along }.
--
-- GIVES  pick(line, take)
-- WRITES nothing
local caller = require('lib.caller')
local is_claimed = require('lib.is_claimed')
local is_current = require('lib.is_current')
local layout = require('lib.layout')
local peek = require('lib.peek')
local lines = require('lib.lines')
local shard = require('lib.shard')
local sub = string.sub

local function pick(line, take)
  local picks = take.picks
  take.looks = take.looks - 1
  take.full = take.looks <= 0
  if not peek(line, take) then
    return
  end
  local ticket, field, record = lines.request(line)
  if not is_current(record, layout.stamp_of(ticket, line.owner)) or is_claimed(record) then
    return lines.pass(line)
  end
  local stamp = #line.owner + 1
  local tokens, bytes = layout.hex(ticket, stamp + layout.TOKENS, 8), layout.hex(record, layout.BYTES, 8)
  local own = line.owner == caller.node
  local one = { owner = line.owner, ticket = ticket, field = field, record = record,
    deadline = layout.hex(ticket, stamp + layout.DEADLINE, 12),
    body = not own or sub(ticket, stamp + 1, stamp + 14) < take.since }
  if one.deadline <= shard.now then
    one.final, one.reason = 'expired', ''
    take.expired[#take.expired + 1] = one
    lines.step(line)
  elseif take.tokens + tokens > (#picks == 0 and take.alone or take.sum) or not own and tokens > take.total then
    line.blocked = true
  elseif one.body and #picks > 0 and take.bytes + bytes > take.max_bytes then
    take.full = true
  else
    picks[#picks + 1] = one
    take.tokens = take.tokens + tokens
    take.bytes = take.bytes + (one.body and bytes or 0)
    lines.pass(line)
  end
  take.full = take.full or #picks == take.limit
end

return pick
