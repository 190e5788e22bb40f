-- Whether an idle node has room for so many tokens. One that got nothing for want of room said how much it has (rest.lua).
-- `record`: of the request that is to be taken, if it is one; a node that gave it back has no room for it for a while.
--
-- GIVES  has_room(node, need, record)
-- WRITES nothing
local tables = require('lib.tables')
local call = redis.call

local function has_room(node, need, record)
  local room = need > 0 and call('HGET', tables.CALLS, node .. '|room')
  return (not room or tonumber(room) >= need) and not (record and require('lib.is_aside')(record, node))
end

return has_room
