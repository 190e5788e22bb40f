-- Of the idle nodes, the one that has been idle longest, or (`is_last`) that was heard of last, with room for so many
-- tokens; nil if there is none. `except`: not this one. `record`: see has_room.lua.
--
-- GIVES  idle_with_room(need, is_last, except, record)
-- WRITES nothing
local has_room = require('lib.has_room')
local tables = require('lib.tables')
local call = redis.call
-- most that are looked at
local OTHERS = '50'

local function idle_with_room(need, is_last, except, record)
  local first, last = '0', '0'
  repeat
    local nodes = is_last and call('ZREVRANGE', tables.IDLE, first, last) or call('ZRANGE', tables.IDLE, first, last)
    for i = 1, #nodes do
      if nodes[i] ~= except and has_room(nodes[i], need, record) then
        return nodes[i]
      end
    end
    first, last = '1', last == '0' and #nodes > 0 and OTHERS or nil
  until not last
end

return idle_with_room
