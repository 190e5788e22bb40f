-- Publishes a wake-up to one node: what to do (claim, results, refresh, halt), the shard's number, and after how many ms;
-- of a halt, for how many, and the fence of the claim. A user who may not publish there only loses the wake-up: a script
-- that failed here would keep half of what it wrote.
--
-- GIVES  tell(name, what, delay, fence)
-- WRITES nothing
local caller = require('lib.caller')
local try, format = redis.pcall, string.format

local function tell(name, what, delay, fence)
  try('PUBLISH', caller.wake .. name, what .. ' ' .. caller.number .. ' ' .. format('%d', delay or 0)
    .. (fence and ' ' .. fence or ''))
end

return tell
