-- Gives claimed tickets that the runner refused back to their exact place in line, raises their owners' loads, and rings
-- another node. No try is counted. A second run finds that the fence holds nothing: it answers LOST and changes nothing.
--
-- ARGV[14..] ticket fence  of a claim
-- RETURNS status, tick, per ticket and joined by ' ': OK, LOST
-- STATUS OK LOST
-- COST   O(n log waiting)
-- WRITES request
local caller = require('lib.caller')
local enqueue = require('lib.enqueue')
local enter = require('lib.enter')
local is_held_by = require('lib.is_held_by')
local layout = require('lib.layout')
local least_tokens = require('lib.least_tokens')
local leave = require('lib.leave')
local named = require('lib.named')
local ring = require('lib.ring')
local shard = require('lib.shard')
local tables = require('lib.tables')
local call, format, sub = redis.call, string.format, string.sub
local FIRST, WIDTH = 14, 2
local held = named(FIRST, WIDTH, (#ARGV - FIRST + 1) / WIDTH)
local refused = enter()
if refused then
  return refused
end

local answers, marks, lines, given = {}, {}, {}, {}
for i = 1, #held.tickets do
  local owner, field = held.owners[i], held.fields[i]
  local record = not given[field] and call('HGET', tables.REQUEST, field)
  if is_held_by(record, held.stamps[i], ARGV[FIRST + (i - 1) * WIDTH + 1]) then
    given[field] = true
    marks[#marks + 1], marks[#marks + 2] = field, sub(record, 1, layout.WAITING_LENGTH)
    lines[owner] = lines[owner] or {}
    table.insert(lines[owner], held.tickets[i])
    answers[i] = 'OK'
  else
    answers[i] = 'LOST'
  end
end

if #marks > 0 then
  call('HSET', tables.REQUEST, unpack(marks))
  for owner, tickets in pairs(lines) do
    enqueue(owner, tickets)
    ring(owner, least_tokens(tickets, owner), 0, nil, caller.node)
  end
end
return leave(nil, { 'OK', format('%014x', shard.tick), table.concat(answers, ' ') })
