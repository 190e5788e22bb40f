-- dequeue: take waiting tickets of one owner out of line: waiting, load, head. Their `due` is the caller's to
-- move (a claim) or to remove (an end). Without tickets it corrects an owner that is listed, and has none in line.
-- `head`: the order of the ticket that is first then, false if there is none; nil: the caller does not know.
--
-- INCLUDE enter weigh
local function dequeue(owner, tickets, head)
  if #tickets > 0 then
    call('ZREM', WAITING, unpack(tickets))
  end
  if head == nil then
    local first = call('ZRANGEBYLEX', WAITING, '[' .. owner .. '|', '(' .. owner .. '}', 'LIMIT', '0', '1')[1]
    head = first and hex(first, #owner + 1 + ORDER, 14)
  end
  if head then
    call('ZINCRBY', LOAD, format('%d', -weigh(tickets, owner)), owner)
    call('ZADD', HEAD, format('%d', head), owner)
  else
    call('ZREM', LOAD, owner)
    call('ZREM', HEAD, owner)
  end
end
