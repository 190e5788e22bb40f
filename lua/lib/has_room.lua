-- Whether an idle node has room for so many tokens. One that got nothing for want of room said how much it has (rest.lua).
--
-- GIVES  has_room(node, need)
-- WRITES nothing
local tables = require('lib.tables')
local call = redis.call

local function has_room(node, need)
  local room = need > 0 and call('HGET', tables.CALLS, node .. '|room')
  return not room or tonumber(room) >= need
end

return has_room
