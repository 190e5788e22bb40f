-- ring_first: ring for work that was there before this call: for the ticket that has waited longest, unless it is too
-- young to be stolen and another line is long enough.
--
-- INCLUDE ring
local function ring_first()
  local heads = call('ZRANGE', HEAD, '0', '0', 'WITHSCORES')
  local owner = heads[1]
  if owner and stealable_in(0, heads[2], asks_of({ owner })[1]) > 0 then
    local longest = call('ZREVRANGE', LOAD, '0', '0', 'WITHSCORES')
    owner = tonumber(longest[2] or 0) >= min_load and longest[1] or owner
  end
  if owner then
    ring(owner, 0)
  end
end
