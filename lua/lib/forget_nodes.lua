-- forget_nodes: forget nodes silent for ttl: their calls, idle entry and mailbox. A large mailbox goes in slices, the node
-- stays in `node` until the last. Answers whether there is more.
--
-- INCLUDE enter
local GRAVES, SLICE = '8', 1000

local function forget_nodes()
  local silent = call('ZRANGEBYSCORE', NODE, '-inf', format('%d', now - ttl), 'LIMIT', '0', GRAVES)
  for i = 1, #silent do
    local name = silent[i]
    local from, to = '[' .. name .. '|', '(' .. name .. '}'
    local beyond = call('ZRANGEBYLEX', OUT, from, to, 'LIMIT', format('%d', SLICE), '1')[1]
    call('ZREMRANGEBYLEX', OUT, from, beyond and '(' .. beyond or to)
    if beyond then
      return true
    end
    call('HDEL', CALLS, name, name .. '|put', name .. '|claim', name .. '|result', name .. '|asks')
    call('ZREM', IDLE, name)
    call('ZREM', NODE, name)
  end
  return #silent == tonumber(GRAVES)
end
