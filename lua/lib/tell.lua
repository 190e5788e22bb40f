-- Publishes a wake-up to one node: what to do (claim, results, refresh), the shard's number, and after how many ms.
--
-- GIVES  tell(name, what, delay)
-- WRITES nothing
local caller = require('lib.caller')
local call, format = redis.call, string.format

local function tell(name, what, delay)
  call('PUBLISH', caller.wake .. name, what .. ' ' .. caller.number .. ' ' .. format('%d', delay or 0))
end

return tell
