-- Looks at the ticket that a runner keeps room for, if one does. If it does not wait any more, or is to be ended, nobody
-- keeps room. If the caller keeps it, it is taken if it fits now: before all others, whoever may be stolen from. Else the
-- caller goes on keeping; if its engine can never hold it after all, somebody else may.
--
-- GIVES  take_kept(take)
-- WRITES nothing
local accept = require('lib.accept')
local caller = require('lib.caller')
local candidate = require('lib.candidate')
local is_claimed = require('lib.is_claimed')
local is_current = require('lib.is_current')
local keep = require('lib.keep')
local layout = require('lib.layout')
local shard = require('lib.shard')
local tables = require('lib.tables')
local wanted = require('lib.wanted')
local call = redis.call

local function take_kept(take)
  local keeper, ticket = require('lib.kept_by')()
  if not keeper then
    return
  end
  local owner = layout.owner_of(ticket)
  local field = layout.field_of(ticket, owner)
  local record = call('HGET', tables.REQUEST, field)
  if not is_current(record, layout.stamp_of(ticket, owner)) or is_claimed(record) then
    return keep(take)
  end
  local order = layout.hex(record, layout.ORDER, 14)
  take.keeper, take.kept, take.kept_order = keeper, ticket, order
  local one = candidate(owner, ticket, field, record)
  if one.deadline <= shard.now or require('lib.is_lost')(one) then
    keep(take)
  elseif keeper == caller.node then
    if take.limit > 0 and one.tokens <= wanted.alone_tokens then
      keep(take)
      require('lib.dequeue')(owner, { ticket })
      accept(one, take)
    elseif one.tokens <= wanted.total_tokens and wanted.keep_for > 0 then
      keep(take, ticket, order, wanted.keep_for)
    else
      keep(take)
    end
  end
end

return take_kept
