-- The head of `due`: most calls find that nothing is due, and have then read it once.
--
-- INCLUDE enter
local function read_due()
  return tonumber(call('ZRANGE', DUE, '0', '0', 'WITHSCORES')[2] or math.huge)
end

-- ms of the head if nothing was due; nil: something was
local first_due

local function is_due()
  local first = read_due()
  first_due = first > now and first or nil
  return first <= now
end

-- ms until the shard must be looked at again, -1 if nothing is due; `own`: the least time that the caller wrote since
local function next_due(own)
  local first = first_due and min(first_due, own) or read_due()
  return first < math.huge and format('%d', max(0, first - now)) or '-1'
end
