-- A line: one owner's waiting tickets, read from the front in chunks with their records, and passed one by one.
--
-- INCLUDE enter
local CHUNK = 16

local function open_line(owner)
  return { owner = owner, at = 0, tickets = {}, records = {}, gone = {}, late = 0,
    from = '[' .. owner .. '|', to = '(' .. owner .. '}' }
end

-- the first ticket not yet passed and its record, or nil; `wanted`: tickets that the call may still look at here
local function front(line, wanted)
  if line.at == #line.tickets and line.from then
    local most = min(wanted, CHUNK)
    local tickets, fields = call('ZRANGEBYLEX', WAITING, line.from, line.to, 'LIMIT', '0', format('%d', most)), {}
    for i = 1, #tickets do
      fields[i] = field_of(tickets[i], line.owner)
    end
    line.tickets, line.at = tickets, 0
    line.records = #tickets > 0 and call('HMGET', REQUEST, unpack(fields)) or tickets
    line.from = #tickets == most and '(' .. tickets[most] or nil
  end
  local ticket = line.tickets[line.at + 1]
  line.order = ticket and hex(ticket, #line.owner + 1 + ORDER, 14)
  return ticket, line.records[line.at + 1]
end

-- the front ticket leaves the line with this call
local function pass(line)
  line.at = line.at + 1
  line.gone[#line.gone + 1] = line.tickets[line.at]
end
