-- ring: the last step of every script that leaves waiting work. The owner if it is idle. Else, if the work may be stolen
-- now, the runner that has been idle longest: one ring, one runner. It removes the entry it used and cuts expired ones,
-- so a dead runner costs at most one ring. Else the runner that was heard of last is told when the head comes of age; it
-- keeps its entry, so that what can be stolen before still finds it. A caller that cannot take the work itself leaves
-- `idle` before it rings.
--
-- INCLUDE enter
local function tell(name, what, delay)
  call('PUBLISH', wake .. name, what .. ' ' .. number .. ' ' .. format('%d', delay or 0))
end

-- ms until a peer with this load and this head may be stolen from
local function stealable_in(load, order)
  return load >= min_load and 0 or max(0, math.ceil(steal_after - (now - order / 1000)))
end

-- `least`: nobody is told of the age of a head below this order, it was told before
local function ring(owner, least)
  if call('EXISTS', IDLE) == 0 then
    return
  end
  call('ZREMRANGEBYSCORE', IDLE, '-inf', format('(%d', now))
  if call('ZREM', IDLE, owner) == 1 then
    return tell(owner, 'claim')
  end
  local order = policy ~= 'none' and tonumber(call('ZSCORE', HEAD, owner) or nil)
  if not order then
    return
  end
  local delay = stealable_in(tonumber(call('ZSCORE', LOAD, owner) or 0), order)
  local runner
  if delay == 0 then
    runner = call('ZPOPMIN', IDLE)[1]
  elseif order >= least then
    runner = call('ZRANGE', IDLE, '-1', '-1')[1]
  end
  if runner then
    tell(runner, 'claim', delay)
  end
end

-- ring for work that was there before this call: for the ticket that has waited longest, unless it is too young to be
-- stolen and another line is long enough
local function ring_first()
  local heads = call('ZRANGE', HEAD, '0', '0', 'WITHSCORES')
  local owner = heads[1]
  if owner and now - heads[2] / 1000 < steal_after then
    local longest = call('ZREVRANGE', LOAD, '0', '0', 'WITHSCORES')
    owner = tonumber(longest[2] or 0) >= min_load and longest[1] or owner
  end
  if owner then
    ring(owner, 0)
  end
end
