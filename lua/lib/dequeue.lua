-- dequeue: take waiting tickets of one owner out of line: waiting, load - n, head. Their `due` is the caller's to
-- move (a claim) or to remove (an end). Without tickets it corrects an owner that is listed, and has none in line.
--
-- INCLUDE enter
local function dequeue(owner, tickets)
  if #tickets > 0 then
    call('ZREM', WAITING, unpack(tickets))
  end
  local first = call('ZRANGEBYLEX', WAITING, '[' .. owner .. '|', '(' .. owner .. '}', 'LIMIT', '0', '1')[1]
  if first then
    call('ZINCRBY', LOAD, format('%d', -#tickets), owner)
    call('ZADD', HEAD, format('%d', hex(first, #owner + 1 + ORDER, 14)), owner)
  else
    call('ZREM', LOAD, owner)
    call('ZREM', HEAD, owner)
  end
end
