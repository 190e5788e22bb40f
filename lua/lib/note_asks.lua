-- A put says when the caller claims by itself, and the shard notes it: until then its requests are its own, if that is at
-- most KEEPS times steal_after. Nobody waits for a front, which has never claimed, or for a node whose engine is down, or
-- that gave back a request of its own: that is noted until a put says otherwise. That there are fronts is noted too, for a
-- ttl, so that who looks for work looks for theirs only then.
--
-- `claims_in`: ms, never, or nil: it does not say. `noted`: what it said before, as `enter` answers it; nil: not known.
--
-- GIVES  note_asks(claims_in, noted)
-- WRITES calls
local caller = require('lib.caller')
local shard = require('lib.shard')
local tables = require('lib.tables')
local call, format = redis.call, string.format
local KEEPS, NEVER = 6, 'never'

local function note_asks(claims_in, noted)
  if claims_in == NEVER then
    if noted ~= NEVER then
      call('HSET', tables.CALLS, caller.node .. '|asks', NEVER)
    end
    if tonumber(shard.stored[7] or 0) < shard.now + shard.ttl / 2 then
      shard.note('fronts', format('%d', shard.now + shard.ttl))
    end
  elseif claims_in and claims_in > 0 and claims_in <= KEEPS * caller.steal_after then
    call('HSET', tables.CALLS, caller.node .. '|asks', format('%d', shard.now + claims_in))
  elseif noted == NEVER then
    call('HDEL', tables.CALLS, caller.node .. '|asks')
  end
end

return note_asks
