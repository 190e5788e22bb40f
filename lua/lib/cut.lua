-- A frame without the chunks of claims that were taken away, and how many it has left. A frame is, for each of its chunks, a
-- head of 16 bytes (the claim's token 7, number 4, flags 1, length of the body 4), then all bodies. It is walked only if a
-- token stands where a head begins. `set`: of tokens of 7 bytes.
--
-- GIVES  cut(frame, count, set)
-- WRITES nothing
local byte, find, sub = string.byte, string.find, string.sub
local HEAD, TOKEN = 16, 7

local function is_met(frame, heads, token)
  local at = find(frame, token, 1, true)
  while at and at <= heads and at % HEAD ~= 1 do
    at = find(frame, token, at + 1, true)
  end
  return at and at <= heads
end

local function cut(frame, count, set)
  local heads, bodies, at, met = {}, {}, HEAD * count, false
  for token in pairs(set) do
    met = met or is_met(frame, HEAD * count, token)
  end
  if not met then
    return frame, count
  end
  for head = 1, HEAD * count, HEAD do
    local a, b, c, d = byte(frame, head + 12, head + 15)
    local length = ((a * 256 + b) * 256 + c) * 256 + d
    if not set[sub(frame, head, head + TOKEN - 1)] then
      heads[#heads + 1] = sub(frame, head, head + HEAD - 1)
      bodies[#bodies + 1] = sub(frame, at + 1, at + length)
    end
    at = at + length
  end
  return table.concat(heads) .. table.concat(bodies), #heads
end

return cut
