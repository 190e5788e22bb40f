-- stealable_in: ms until a peer with this load and this head may be stolen from.
--
-- INCLUDE clock
local function stealable_in(load, order)
  return load >= min_load and 0 or max(0, math.ceil(steal_after - (now - order / 1000)))
end
