-- Wakes at most one node for the waiting work of `owner`: the last step of every script that leaves waiting work.
--
-- 1. The owner, if it is idle.
-- 2. Else, if the work may be stolen now, the node that has been idle longest.
-- 3. Else the node that was heard of last is told when the work may be stolen. Its `idle` entry stays, so that it is
--    still found for work that may be stolen earlier.
-- 1 and 2 use up the `idle` entry: a dead node costs one ring. Expired entries are removed. A caller that cannot take
-- the work itself leaves `idle` before it rings.
--
-- `least`: 3 is left out for a head of a lower order, its time was told before. `claims_in`: ms in which the owner claims
-- by itself. The owner is not woken then, and nobody is for work that may not be stolen before.
--
-- GIVES  ring(owner, least, claims_in)
-- WRITES idle
local asks_of = require('lib.asks_of')
local caller = require('lib.caller')
local shard = require('lib.shard')
local stealable_in = require('lib.stealable_in')
local tables = require('lib.tables')
local tell = require('lib.tell')
local call, format = redis.call, string.format

local function ring(owner, least, claims_in)
  if call('EXISTS', tables.IDLE) == 0 then
    return
  end
  call('ZREMRANGEBYSCORE', tables.IDLE, '-inf', format('(%d', shard.now))
  if not claims_in and call('ZREM', tables.IDLE, owner) == 1 then
    return tell(owner, 'claim')
  end
  local order = caller.policy ~= 'none' and tonumber(call('ZSCORE', tables.HEAD, owner) or nil)
  if not order then
    return
  end
  local delay = stealable_in(tonumber(call('ZSCORE', tables.LOAD, owner) or 0), order, asks_of({ owner })[1])
  if claims_in then
    if claims_in <= delay then
      return
    end
    call('ZREM', tables.IDLE, owner)
  end
  local runner
  if delay == 0 then
    runner = call('ZPOPMIN', tables.IDLE)[1]
  elseif order >= least then
    runner = call('ZRANGE', tables.IDLE, '-1', '-1')[1]
  end
  if runner then
    tell(runner, 'claim', delay)
  end
end

return ring
