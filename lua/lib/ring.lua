-- ring: the last step of every script that leaves waiting work. The owner if it is idle. Else, if the work may be stolen
-- now, the runner that has been idle longest: one ring, one runner. It removes the entry it used and cuts expired ones,
-- so a dead runner costs at most one ring. Else the runner that was heard of last is told when the head comes of age; it
-- keeps its entry, so that what can be stolen before still finds it. A caller that cannot take the work itself leaves
-- `idle` before it rings. `least`: nobody is told of the age of a head below this order, it was told before. `claims_in`:
-- ms in which the owner claims anyway: nobody is told of what no other may steal before then, nor is the owner.
--
-- INCLUDE enter tell stealable_in
local function ring(owner, least, claims_in)
  if call('EXISTS', IDLE) == 0 then
    return
  end
  call('ZREMRANGEBYSCORE', IDLE, '-inf', format('(%d', now))
  if not claims_in and call('ZREM', IDLE, owner) == 1 then
    return tell(owner, 'claim')
  end
  local order = policy ~= 'none' and tonumber(call('ZSCORE', HEAD, owner) or nil)
  if not order then
    return
  end
  local delay = stealable_in(tonumber(call('ZSCORE', LOAD, owner) or 0), order, asks_of({ owner })[1])
  if claims_in then
    if claims_in <= delay then
      return
    end
    call('ZREM', IDLE, owner)
  end
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
