-- What the caller is told of the claims that were taken away from it (take_away.lua): those up to its mark, which it knows.
-- It may not have heard yet of the grant of a later one. Answers their tokens joined, the set of them as frames have them (7
-- bytes each), and what is left.
--
-- GIVES  taken_until(taken, mark)
-- WRITES nothing
local char, sub = string.char, string.sub

local function taken_until(taken, mark)
  local tokens, set, left = {}, {}, {}
  for at = 1, #taken, 14 do
    local token = sub(taken, at, at + 13)
    if token <= mark then
      tokens[#tokens + 1] = token
      local bytes = {}
      for i = 1, 13, 2 do
        bytes[#bytes + 1] = tonumber(sub(token, i, i + 1), 16)
      end
      set[char(unpack(bytes))] = true
    else
      left[#left + 1] = token
    end
  end
  return table.concat(tokens), set, table.concat(left)
end

return taken_until
