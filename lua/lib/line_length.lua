-- How many tickets of an owner wait.
--
-- GIVES  line_length(owner)
-- WRITES nothing
local caller = require('lib.caller')
local tables = require('lib.tables')
local call = redis.call

local function line_length(owner)
  if caller.load_unit == 'requests' then
    return tonumber(call('ZSCORE', tables.LOAD, owner) or 0)
  end
  return call('ZLEXCOUNT', tables.WAITING, '[' .. owner .. '|', '(' .. owner .. '}')
end

return line_length
