-- Decides about the ticket in front of a line (lua/README.md#what-does-not-fit). It is taken if the call's bounds allow; the
-- first ticket of a call may be larger than the sum of several. One that the engine can never hold, or has no room for now,
-- stays in line, and those behind it are looked at; so does one that the caller gave back a short while ago. A ticket that
-- has expired, or that the loss of its owner ends, is set aside to be ended. A ticket whose record is of another request (a
-- table was lost) leaves the line.
--
-- `take` is the record of what the call has taken: { limit: most tickets, looks: tickets that it may still look at, picks,
-- expired, tokens and bytes: taken, never, paused and not_now: tickets that were stepped over, least: least tokens of one
-- that does not fit, aside: the first that is paused, free_in: ms until the caller may take a paused one, removed: tickets
-- that leave their line without being taken, keeper, kept and kept_order: the runner that keeps room, for which ticket,
-- spent: nothing more may be looked at, full: nothing more may be taken }.
--
-- GIVES  pick(line, take)
-- WRITES nothing
local accept = require('lib.accept')
local caller = require('lib.caller')
local candidate = require('lib.candidate')
local is_claimed = require('lib.is_claimed')
local is_current = require('lib.is_current')
local layout = require('lib.layout')
local lines = require('lib.lines')
local peek = require('lib.peek')
local shard = require('lib.shard')
local wanted = require('lib.wanted')
-- most tickets that one call steps over, as its engine can never hold them, or as it gave them back
local NEVER = 64

-- `tokens`: of one that others are rung for as it does not fit here; infinite if it does
local function leave_in_line(line, take, tokens)
  take.spent = take.never + take.paused == NEVER
  take.full = take.spent
  require('lib.step_over')(line, take, tokens)
end

local function weigh_up(line, take, one)
  local is_first = #take.picks == 0
  if one.tokens > wanted.total_tokens then
    take.never = take.never + 1
    leave_in_line(line, take, one.tokens)
  elseif #one.record > layout.WAITING_LENGTH and require('lib.is_paused')(one, take) then
    leave_in_line(line, take, math.huge)
  elseif take.tokens + one.tokens > (is_first and wanted.alone_tokens or wanted.sum_tokens) then
    require('lib.not_now')(line, take, one)
  elseif take.keeper == caller.node and line.order > take.kept_order
    or one.body and not is_first and take.bytes + one.bytes > wanted.max_bytes then
    take.full = true
  else
    if one.ticket == take.kept then
      require('lib.keep')(take)
    end
    accept(one, take)
    lines.pass(line)
  end
end

local function pick(line, take)
  take.looks = take.looks - 1
  if peek(line, take) then
    local ticket, field, record = lines.request(line)
    if not is_current(record, layout.stamp_of(ticket, line.owner)) or is_claimed(record) then
      take.removed = take.removed + 1
      lines.pass(line)
    else
      local one = candidate(line.owner, ticket, field, record)
      if one.deadline <= shard.now then
        one.final, one.reason = 'expired', ''
      end
      if one.final or layout.ends_alone(record) and require('lib.is_lost')(one) then
        take.expired[#take.expired + 1], take.removed = one, take.removed + 1
        lines.step(line)
      else
        weigh_up(line, take, one)
      end
    end
  end
  take.spent = take.spent or take.looks <= 0
  take.full = take.full or take.spent
end

return pick
