-- stealable_in: ms until a peer with this load and this head may be stolen from. An owner that said when it claims by
-- itself (`asks_at`, ms; it is in `calls`) keeps its requests until then, unless it is overloaded.
--
-- INCLUDE clock
local function stealable_in(load, order, asks_at)
  return load >= min_load and 0 or max(0, math.ceil(steal_after - (now - order / 1000)), asks_at - now)
end

-- `asks_at` of each of these owners; 0: it said nothing
local function asks_of(owners)
  local fields = {}
  for i = 1, #owners do
    fields[i] = owners[i] .. '|asks'
  end
  local asks = #owners > 0 and call('HMGET', CALLS, unpack(fields)) or fields
  for i = 1, #asks do
    asks[i] = tonumber(asks[i] or 0)
  end
  return asks
end
