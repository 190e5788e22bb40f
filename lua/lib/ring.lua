-- ring: the last step of every script that leaves waiting work. One ring, one runner: the owner if it is idle; else
-- the runner that has been idle longest, with the delay until the owner's head may be stolen. Removes the entry
-- it used and cuts expired ones, so a dead runner costs at most one ring. A caller that cannot take the work
-- itself leaves `idle` before it rings.
--
-- INCLUDE enter
local function tell(name, what, delay)
  call('PUBLISH', wake .. name, what .. ' ' .. number .. ' ' .. format('%.0f', delay or 0))
end

-- ms until a peer with this load and this head may be stolen from
local function stealable_in(load, order)
  return load >= min_load and 0 or max(0, math.ceil(steal_after - (now - order / 1000)))
end

local function ring(owner)
  if call('EXISTS', IDLE) == 0 then
    return
  end
  call('ZREMRANGEBYSCORE', IDLE, '-inf', format('(%.0f', now))
  if call('ZREM', IDLE, owner) == 1 then
    return tell(owner, 'claim')
  end
  local runner = policy ~= 'none' and call('ZRANGE', IDLE, '0', '0')[1]
  local load, order = call('ZSCORE', LOAD, owner), call('ZSCORE', HEAD, owner)
  if runner and order then
    call('ZREM', IDLE, runner)
    tell(runner, 'claim', stealable_in(tonumber(load or 0), tonumber(order)))
  end
end

-- ring for the ticket that has waited longest, if one waits
local function ring_first()
  local owner = call('ZRANGE', HEAD, '0', '0')[1]
  if owner then
    ring(owner)
  end
end
