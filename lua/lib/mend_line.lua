-- Sets `head` and `load` of one owner to what its line is, if they say otherwise: a table was lost, or a part of one. A line
-- of more than 1,000 tickets is weighed in tokens only if it is suspect, as each is read for that. Answers whether anything
-- was wrong.
--
-- GIVES  mend_line(owner, suspect)
-- WRITES head, load
local bounds = require('lib.bounds')
local caller = require('lib.caller')
local layout = require('lib.layout')
local tables = require('lib.tables')
local weigh = require('lib.weigh')
local call, format = redis.call, string.format

-- nil: it has none
local function score_of(key, owner)
  return tonumber(call('ZSCORE', key, owner) or nil)
end

local function load_of(owner, from, to, load, suspect)
  local count = call('ZLEXCOUNT', tables.WAITING, from, to)
  if caller.load_unit == 'requests' then
    return count
  elseif load and not suspect and count > bounds.ITEMS then
    return load
  end
  return weigh(call('ZRANGEBYLEX', tables.WAITING, from, to), owner)
end

local function mend_line(owner, suspect)
  local from, to = '[' .. owner .. '|', '(' .. owner .. '}'
  local first = call('ZRANGEBYLEX', tables.WAITING, from, to, 'LIMIT', '0', '1')[1]
  if not first then
    return call('ZREM', tables.HEAD, owner) + call('ZREM', tables.LOAD, owner) > 0
  end
  local head, load = score_of(tables.HEAD, owner), score_of(tables.LOAD, owner)
  local order = layout.hex(first, #owner + 1 + layout.ORDER, 14)
  local weight = load_of(owner, from, to, load, suspect)
  if head == order and load == weight then
    return false
  end
  call('ZADD', tables.HEAD, format('%d', order), owner)
  call('ZADD', tables.LOAD, format('%d', weight), owner)
  return true
end

return mend_line
