-- A claim takes a candidate (candidate.lua).
--
-- GIVES  accept(one, take)
-- WRITES nothing
local function accept(one, take)
  local picks = take.picks
  picks[#picks + 1] = one
  take.tokens = take.tokens + one.tokens
  take.bytes = take.bytes + (one.body and one.bytes or 0)
  take.full = #picks == take.limit
end

return accept
