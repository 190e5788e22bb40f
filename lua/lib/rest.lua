-- The end of a claim. A caller that got nothing is idle from now on, and `room` says what it could take: absent, anything.
-- Who else has room is rung for what the caller left or stepped over. So a ring goes from node to node until one has room,
-- and ends: each is asked for more than the one before could take. For what the caller gave back, one is rung that did not.
-- A caller that asks on at once does none of this.
--
-- Answers ms until a peer's head may be stolen; '-1': there is none, or the caller is not idle.
--
-- GIVES  rest(status, take, on, lines)
-- WRITES idle, calls
local caller = require('lib.caller')
local shard = require('lib.shard')
local tables = require('lib.tables')
local wanted = require('lib.wanted')
local call, format, max, min = redis.call, string.format, math.max, math.min

-- the caller is idle; `room`: most tokens that it could take, nil: whatever comes
local function enter_idle(room)
  call('ZADD', tables.IDLE, format('%d', shard.now + wanted.idle_for), caller.node)
  shard.made(tables.IDLE)
  if room then
    call('HSET', tables.CALLS, caller.node .. '|room', format('%d', room))
  else
    call('HDEL', tables.CALLS, caller.node .. '|room')
  end
end

local function rest(status, take, on, lines)
  if on >= 0 then
    return '-1'
  end
  local is_idle = take.limit > 0 and (status == 'IDLE' or status == 'BLOCKED')
  local least, left = take.least, true
  if is_idle then
    left = wanted.ask_on > 0 or take.never + take.not_now > 0
    least = min(least, left and wanted.total_tokens + 1 or least)
    enter_idle(left and min(wanted.total_tokens, status == 'BLOCKED' and wanted.alone_tokens or wanted.total_tokens))
  elseif take.limit == 0 then
    least = 0
  end
  if (left or take.aside) and call('EXISTS', tables.IDLE) == 1 then
    if not is_idle then
      call('ZREM', tables.IDLE, caller.node)
    end
    if take.aside then
      require('lib.ring')(take.aside.owner, take.aside.tokens, 0, nil, caller.node, take.aside.record)
    end
    if left then
      require('lib.ring_first')(least)
    end
  end
  return is_idle and require('lib.again_in')(lines, max(0, wanted.ask_on - 1)) or '-1'
end

return rest
