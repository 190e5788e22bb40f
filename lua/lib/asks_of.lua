-- `asks_at` of each of these owners: ms when it claims by itself, as it said with its last put; 0 if it said nothing; -1 if
-- it never does: it is a front, or leaves its requests to others (note_asks.lua).
--
-- GIVES  asks_of(owners)
-- WRITES nothing
local tables = require('lib.tables')
local call = redis.call

local function asks_of(owners)
  local fields = {}
  for i = 1, #owners do
    fields[i] = owners[i] .. '|asks'
  end
  local asks = #owners > 0 and call('HMGET', tables.CALLS, unpack(fields)) or fields
  for i = 1, #asks do
    asks[i] = asks[i] == 'never' and -1 or tonumber(asks[i] or 0)
  end
  return asks
end

return asks_of
