-- A line: one owner's waiting tickets, read from the front in chunks with their records, and passed one by one.
--
-- INCLUDE enter weigh
local CHUNK = 16

local function open_line(owner)
  return { owner = owner, at = 0, tickets = {}, gone = {}, passed = 0, from = '[' .. owner .. '|', to = '(' .. owner .. '}' }
end

local function read_on(line, most)
  local tickets, fields = call('ZRANGEBYLEX', WAITING, line.from, line.to, 'LIMIT', '0', format('%d', most)), {}
  for i = 1, #tickets do
    fields[i] = field_of(tickets[i], line.owner)
  end
  line.tickets, line.fields, line.at = tickets, fields, 0
  line.records = #tickets > 0 and call('HMGET', REQUEST, unpack(fields)) or {}
  line.from = #tickets == most and '(' .. tickets[most] or nil
end

-- the first ticket not yet passed, or nil; `wanted`: tickets that the call may still look at here
local function front(line, wanted)
  if line.ticket then
    return line.ticket
  end
  if line.at == #line.tickets and line.from then
    read_on(line, min(wanted, CHUNK))
  end
  local ticket = line.tickets[line.at + 1]
  line.ticket, line.order = ticket, ticket and hex(ticket, #line.owner + 1 + ORDER, 14)
  return ticket
end

-- the front ticket, its field and its record
local function front_request(line)
  return line.ticket, line.fields[line.at + 1], line.records[line.at + 1]
end

-- look behind the front ticket; `passed`: the load of those that are no more in front
local function step(line)
  line.passed = line.passed + weight_of(line.ticket, line.owner)
  line.at, line.ticket = line.at + 1, nil
end

-- the front ticket leaves the line with this call
local function pass(line)
  line.gone[#line.gone + 1] = line.ticket
  step(line)
end
