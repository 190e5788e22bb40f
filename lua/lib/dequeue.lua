-- Takes waiting tickets of one owner out of line: waiting, load, head. The caller moves (a claim) or removes (an end)
-- their entries in `due`. Without tickets it corrects an owner that is in `load` and `head` and has none in line.
--
-- `head`: the order of the ticket that is first afterwards, false if there is none, nil if the caller does not know.
--
-- GIVES  dequeue(owner, tickets, head)
-- WRITES waiting, load, head
local layout = require('lib.layout')
local tables = require('lib.tables')
local weigh = require('lib.weigh')
local call, format = redis.call, string.format

local function dequeue(owner, tickets, head)
  if #tickets > 0 then
    call('ZREM', tables.WAITING, unpack(tickets))
  end
  if head == nil then
    local first = call('ZRANGEBYLEX', tables.WAITING, '[' .. owner .. '|', '(' .. owner .. '}', 'LIMIT', '0', '1')[1]
    head = first and layout.hex(first, #owner + 1 + layout.ORDER, 14)
  end
  if head then
    call('ZINCRBY', tables.LOAD, format('%d', -weigh(tickets, owner)), owner)
    call('ZADD', tables.HEAD, format('%d', head), owner)
  else
    call('ZREM', tables.LOAD, owner)
    call('ZREM', tables.HEAD, owner)
  end
end

return dequeue
