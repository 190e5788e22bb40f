-- Publishes a wake-up to one node: what to do (claim, results, refresh, halt), the shard's number, and after how many ms;
-- of a halt, for how many, and `more`: the fence of the claim; of results `more` may be the entry that came. A user who
-- may not publish there only loses the wake-up: a script that failed here would keep half of what it wrote.
--
-- GIVES  tell(name, what, delay, more)
-- WRITES nothing
local caller = require('lib.caller')
local try, format = redis.pcall, string.format

local function tell(name, what, delay, more)
  try('PUBLISH', caller.wake .. name, what .. ' ' .. caller.number .. ' ' .. format('%d', delay or 0)
    .. (more and ' ' .. more or ''))
end

return tell
