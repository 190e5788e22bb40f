-- Reads one owner's waiting tickets from the front, in chunks with their records. A line is the place of one such reading:
-- { owner, ticket: in front, order: of that ticket, false if there is none, gone: tickets that leave the line with this
-- call, passed: load of all tickets before the place that do not stay, stays: order of the first one that does }.
--
-- GIVES  open(owner), front(line, wanted), request(line), step(line), pass(line)
-- WRITES nothing
local layout = require('lib.layout')
local tables = require('lib.tables')
local weight_of = require('lib.weight_of')
local call, format, min = redis.call, string.format, math.min
local CHUNK = 16
local lines = {}

function lines.open(owner)
  return { owner = owner, at = 0, tickets = {}, gone = {}, passed = 0, from = '[' .. owner .. '|', to = '(' .. owner .. '}' }
end

local function read_on(line, most)
  local range, fields = format('%d', most), {}
  local tickets = call('ZRANGEBYLEX', tables.WAITING, line.from, line.to, 'LIMIT', '0', range)
  for i = 1, #tickets do
    fields[i] = layout.field_of(tickets[i], line.owner)
  end
  line.tickets, line.fields, line.at = tickets, fields, 0
  line.records = #tickets > 0 and call('HMGET', tables.REQUEST, unpack(fields)) or {}
  line.from = #tickets == most and '(' .. tickets[most] or nil
end

-- the ticket in front, or nil; `wanted`: how many tickets the call may still look at here
function lines.front(line, wanted)
  if line.ticket then
    return line.ticket
  end
  if line.at == #line.tickets and line.from then
    read_on(line, min(wanted, CHUNK))
  end
  local ticket = line.tickets[line.at + 1]
  line.ticket, line.order = ticket, ticket and layout.hex(ticket, #line.owner + 1 + layout.ORDER, 14)
  return ticket
end

-- the ticket in front, its field and its record
function lines.request(line)
  return line.ticket, line.fields[line.at + 1], line.records[line.at + 1]
end

-- looks behind the ticket in front
function lines.step(line)
  line.passed = line.passed + weight_of(line.ticket, line.owner)
  line.at, line.ticket = line.at + 1, nil
end

-- the ticket in front leaves the line with this call
function lines.pass(line)
  line.gone[#line.gone + 1] = line.ticket
  lines.step(line)
end

return lines
