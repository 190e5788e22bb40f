-- Wakes at most one node for the waiting work of `owner`: the last step of every script that leaves waiting work, if there
-- are idle nodes. Only a node with room for `need` tokens: the least that would be of use.
--
-- 1. The owner, if it is idle.
-- 2. Else, if the work may be stolen now, the node that has been idle longest.
-- 3. Else the node that was heard of last is told when the work may be stolen. Its `idle` entry stays, so that it is
--    still found for work that may be stolen earlier.
-- 1 and 2 use up the `idle` entry: a dead node costs one ring. Expired entries are removed.
--
-- `from`: 3 is left out for a head of a lower order, its time was told before. `claims_in`: ms in which the owner claims
-- by itself. The owner is not woken then, and nobody is for work that may not be stolen before. `except`: the node that
-- gave the work back. `record`: of the one request that it is about; nobody is woken who gave it back a short while ago.
--
-- GIVES  ring(owner, need, from, claims_in, except, record)
-- WRITES idle
local asks_of = require('lib.asks_of')
local caller = require('lib.caller')
local shard = require('lib.shard')
local stealable_in = require('lib.stealable_in')
local tables = require('lib.tables')
local tell = require('lib.tell')
local waits_since = require('lib.waits_since')
local call, format = redis.call, string.format

-- it is woken, and no longer believed idle
local function wake(node)
  call('ZREM', tables.IDLE, node)
  tell(node, 'claim')
end

local function ring(owner, need, from, claims_in, except, record)
  call('ZREMRANGEBYSCORE', tables.IDLE, '-inf', format('(%d', shard.now))
  if not claims_in and owner ~= except and call('ZSCORE', tables.IDLE, owner)
    and require('lib.has_room')(owner, need, record) then
    return wake(owner)
  end
  local order = caller.policy ~= 'none' and tonumber(call('ZSCORE', tables.HEAD, owner) or nil)
  if not order then
    return
  end
  local load = tonumber(call('ZSCORE', tables.LOAD, owner) or 0)
  local delay = stealable_in(load, waits_since(owner, order), asks_of({ owner })[1])
  if claims_in then
    if claims_in <= delay then
      return
    end
    call('ZREM', tables.IDLE, owner)
  end
  if delay == 0 or order >= from then
    local runner = require('lib.idle_with_room')(need, delay > 0, except, record)
    if runner and delay == 0 then
      wake(runner)
    elseif runner then
      tell(runner, 'claim', delay)
    end
  end
end

return ring
