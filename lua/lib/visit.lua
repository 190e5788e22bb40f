-- visit: a claim or a refresh looks at the shard. If nobody did for more than half a lease (failover, paused machine,
-- clock step), claims whose lease is over are stepped over for one lease, so that an outage does not take
-- everybody's work away. A silence opens a grace only if the last visit before it came after the end of the
-- previous grace: a rarely visited shard is reaped too.
--
-- INCLUDE enter
local function visit()
  if now - visited > lease / 2 and visited > grace then
    grace = now + lease
    note('grace', format('%d', grace))
  end
  visited = now
  note('visited', format('%d', now))
  next_tick()
end
