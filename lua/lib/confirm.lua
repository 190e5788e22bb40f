-- Removes what the caller has of its mailbox, up to its cursor, if that stands: if the entry there is in the mailbox. Else
-- the caller confirmed it before, or Redis has lost or rewritten entries: then there may be some before the cursor that
-- the caller does not have, and nothing is removed. Answers whether it stands. A removal is allowed over maxmemory: it
-- may open a script.
--
-- GIVES  confirm(tick)
-- WRITES out
local caller = require('lib.caller')
local tables = require('lib.tables')
local call = redis.call

local function confirm(tick)
  local at = caller.node .. '|' .. tick
  if call('ZLEXCOUNT', tables.OUT, '[' .. at .. '|', '(' .. at .. '}') == 0 then
    return false
  end
  call('ZREMRANGEBYLEX', tables.OUT, '[' .. caller.node .. '|', '(' .. at .. '}')
  return true
end

return confirm
