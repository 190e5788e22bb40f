-- Who gave a request back, and from when on that node may take it again. The record of such a request goes on behind all
-- else, also its mark (layout.lua), with an entry for each node, the last one that gave it back at the end: /until (ms,
-- 12 hex digits), count (2 hex digits: how often it has), e or -, node. `e`, elsewhere: the node does not take it at all
-- while it is the last one and another engine lives that could. Nothing in a record before has a '/'.
--
-- GIVES  of(record), left(record, node, is_elsewhere), added(record, node, after, elsewhere)
-- WRITES nothing
local layout = require('lib.layout')
local shard = require('lib.shard')
local find, format, gmatch, max, min, sub = string.find, string.format, string.gmatch, math.max, math.min, string.sub
local ENTRY = '/(............)(..)(.)([^/]+)'
-- a node that does not say how long gets the first pause; the next is twice as long, up to the longest; ms
local FIRST_PAUSE, LONGEST_PAUSE = 100, 10000
-- most nodes of one record; the one that gave it back longest ago is forgotten
local MOST_NODES = 16
local pauses = {}

-- what stands behind the holder: the mark, and all entries
function pauses.of(record)
  local at = find(record, '[~/]', layout.WAITING_LENGTH + 1)
  return at and sub(record, at) or ''
end

-- ms for which the node does not take it; 0: it may. Infinite: while another engine could (`is_elsewhere`)
function pauses.left(record, node, is_elsewhere)
  local till, flag, last = 0, '-', nil
  for ends, _, mark, name in gmatch(record, ENTRY) do
    last = name
    if name == node then
      till, flag = tonumber(ends, 16), mark
    end
  end
  if flag == 'e' and last == node and is_elsewhere then
    return math.huge
  end
  return max(0, till - shard.now)
end

-- the same once the node gives it back. `after`: ms, '' if it does not say
function pauses.added(record, node, after, elsewhere)
  local list, count = {}, 0
  for ends, times, mark, name in gmatch(record, ENTRY) do
    if name == node then
      count = tonumber(times, 16)
    else
      list[#list + 1] = '/' .. ends .. times .. mark .. name
    end
  end
  local ms = after == '' and min(LONGEST_PAUSE, FIRST_PAUSE * 2 ^ count) or tonumber(after)
  if ms == 0 and not elsewhere then
    return pauses.of(record)
  end
  if #list == MOST_NODES then
    table.remove(list, 1)
  end
  list[#list + 1] = format('/%012x%02x', shard.now + ms, min(255, count + 1)) .. (elsewhere and 'e' or '-') .. node
  return (layout.ends_alone(record) and layout.LOSS or '') .. table.concat(list)
end

return pauses
