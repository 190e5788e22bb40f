-- Who gave a request back, and from when on that node may take it again; and who was lost with it. The record of such a
-- request goes on behind all else with an entry for each node, the last one at the end: /until (ms, 12 hex digits), count (2
-- hex digits: how often it has given it back), e, - or l, node. `e`, elsewhere: the node does not take it at all while no
-- other has given it back since, and another engine lives that could. `l`: it was lost, which is no pause. Nothing in a
-- record before has a '/'. At its end, ~ and why it was last given back, for `dead`. No name has a '~'.
--
-- GIVES  reason(record), left(record, node, is_elsewhere), added(record, node, after, elsewhere, reason), lost(record),
--        nodes(record)
-- WRITES nothing
local is_claimed = require('lib.is_claimed')
local layout = require('lib.layout')
local shard = require('lib.shard')
local format, gmatch, match, max, min, sub = string.format, string.gmatch, string.match, math.max, math.min, string.sub
local ENTRY, ENTRIES, LIST, SAID = '/(............)(..)(.)([^/]+)', '^[^/~]*(/?[^~]*)', '^[^~]*', '~.*$'
-- bytes of a reason: it stands in the record, which many calls read
local MOST_REASON = 200
-- a node that does not say how long gets the first pause; the next is twice as long, up to the longest; ms
local FIRST_PAUSE, LONGEST_PAUSE = 100, 10000
-- most nodes of one record; the one that gave it back longest ago is forgotten
local MOST_NODES = 16
local LOST = 'l'
local pauses = {}

-- ~ and the reason, or nothing if there is none; `reason`: a new one, or ''
local function said(record, reason)
  return reason == '' and (match(record, SAID) or '') or '~' .. sub(reason, 1, MOST_REASON)
end

function pauses.reason(record)
  return sub(match(record, SAID) or '', 2)
end

-- ms for which the node does not take it; 0: it may. Infinite: while another engine could (`is_elsewhere`)
function pauses.left(record, node, is_elsewhere)
  local till, flag, last = 0, '-', nil
  for ends, _, mark, name in gmatch(match(record, LIST), ENTRY) do
    last = mark == LOST and last or name
    if name == node then
      till, flag = tonumber(ends, 16), mark
    end
  end
  if flag == 'e' and last == node and is_elsewhere then
    return math.huge
  end
  return max(0, till - shard.now)
end

-- the entries of all nodes but this one, and the count of that
local function others(record, node)
  local list, count = {}, 0
  for ends, times, mark, name in gmatch(match(record, LIST), ENTRY) do
    if name == node then
      count = tonumber(times, 16)
    else
      list[#list + 1] = '/' .. ends .. times .. mark .. name
    end
  end
  return list, count
end

local function joined(list, till, count, mark, node)
  if #list == MOST_NODES then
    table.remove(list, 1)
  end
  return table.concat(list) .. format('/%012x%02x', till, min(255, count)) .. mark .. node
end

-- the end of the record once the node gives it back. `after`: ms, `reason`: why; '' if it does not say
function pauses.added(record, node, after, elsewhere, reason)
  local list, count = others(record, node)
  local ms = after == '' and min(LONGEST_PAUSE, FIRST_PAUSE * 2 ^ count) or tonumber(after)
  if ms == 0 and not elsewhere then
    return match(record, ENTRIES, layout.WAITING_LENGTH + 1) .. said(record, reason)
  end
  return joined(list, shard.now + ms, count + 1, elsewhere and 'e' or '-', node) .. said(record, reason)
end

-- the end of the record once its runner is lost
function pauses.lost(record)
  local runner = layout.runner_of(record)
  local list, count = others(record, runner)
  return joined(list, 0, count, LOST, runner) .. said(record, '')
end

-- the nodes that had it, the last one last: of those that gave it back without a pause nothing is known
function pauses.nodes(record)
  local runner, list = is_claimed(record) and layout.runner_of(record), {}
  for _, _, _, name in gmatch(match(record, LIST), ENTRY) do
    list[#list + 1] = name ~= runner and name or nil
  end
  list[#list + 1] = runner or nil
  return list
end

return pauses
