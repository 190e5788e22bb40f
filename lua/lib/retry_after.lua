-- ms after which an owner whose line is full may try again: a tenth of the time that its head has waited, about what
-- serving a tenth of the line takes.
--
-- GIVES  retry_after(owner)
-- WRITES nothing
local shard = require('lib.shard')
local tables = require('lib.tables')
local waits_since = require('lib.waits_since')
local call, floor, format, max, min = redis.call, math.floor, string.format, math.max, math.min
-- ms
local LEAST, MOST = 100, 60000

local function retry_after(owner)
  local since = waits_since(owner, tonumber(call('ZSCORE', tables.HEAD, owner) or shard.now * 1000))
  return format('%d', min(MOST, max(LEAST, floor((shard.now - since) / 10))))
end

return retry_after
