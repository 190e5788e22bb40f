-- The groups of a call with results, `count` of them from the argument `first` on (put_results.lua): { owner, frame, count
-- of chunks }. Adds the fields of their owners' boxes to `fields`. Called before the first write.
--
-- GIVES  groups(first, count, fields)
-- WRITES nothing
local caller = require('lib.caller')
local sub = string.sub

local function groups(first, count, fields)
  local list = {}
  for i = 1, count do
    local head, frame = ARGV[first + 2 * i - 2], ARGV[first + 2 * i - 1]
    local owner, chunks = sub(head, 19), tonumber(sub(head, 15, 18), 16)
    assert(chunks and chunks > 0 and #owner >= 1 and #owner <= 128
      and #frame >= (owner == caller.node and 0 or 16 * chunks), 'a group is out of its range')
    list[i], fields[4 + i] = { owner = owner, frame = frame, count = chunks }, owner .. '|box'
  end
  return list
end

return groups
