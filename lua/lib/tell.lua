-- Publishes a wake-up to one node: what to do (claim, results, refresh), the shard's number, and after how many ms. A user
-- who may not publish there only loses the wake-up: a script that failed here would keep half of what it wrote.
--
-- GIVES  tell(name, what, delay)
-- WRITES nothing
local caller = require('lib.caller')
local try, format = redis.pcall, string.format

local function tell(name, what, delay)
  try('PUBLISH', caller.wake .. name, what .. ' ' .. caller.number .. ' ' .. format('%d', delay or 0))
end

return tell
