-- Gives claimed tickets that the runner cannot serve back to their exact place in line, raises their owners' loads, and
-- rings another node. Each says from when on the caller may take it again (lib/pauses.lua), and whether a try is counted:
-- without any left it ends as failed. One that its own owner does not take again yet is left to others, as a front's is
-- (lib/note_asks.lua). A second run finds that the fence holds nothing: it answers LOST and changes nothing.
--
-- ARGV[14..] ticket fence after elsewhere counted reason  of a claim. after: ms for which the caller does not take it,
--                       empty: the longer, the more often it gave it back. elsewhere: 1: not while another engine could.
--                       counted: 1: a try is. reason: why, for its end
-- RETURNS status, tick, per ticket and joined by ' ': OK, LOST, FAILED (no try was left)
-- STATUS OK LOST FAILED
-- COST   O(n log waiting)
-- WRITES request
local bounds = require('lib.bounds')
local caller = require('lib.caller')
local enqueue = require('lib.enqueue')
local enter = require('lib.enter')
local is_held_by = require('lib.is_held_by')
local layout = require('lib.layout')
local least_tokens = require('lib.least_tokens')
local leave = require('lib.leave')
local lose_try = require('lib.lose_try')
local named = require('lib.named')
local pauses = require('lib.pauses')
local ring = require('lib.ring')
local shard = require('lib.shard')
local tables = require('lib.tables')
local call, format, sub = redis.call, string.format, string.sub
local FIRST, WIDTH = 14, 6
local held = named(FIRST, WIDTH, (#ARGV - FIRST + 1) / WIDTH)
for at = FIRST, #ARGV, WIDTH do
  local after, elsewhere, counted = ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  assert((after == '' or tonumber(after) >= 0 and tonumber(after) <= bounds.MS) and (elsewhere == '0' or elsewhere == '1')
    and (counted == '0' or counted == '1'), 'an argument is out of its range')
end
local refused = enter()
if refused then
  return refused
end

local answers, marks, lines, ends, given, lost, leaves_own = {}, {}, {}, {}, {}, {}, false
for i = 1, #held.tickets do
  local owner, field, at = held.owners[i], held.fields[i], FIRST + (i - 1) * WIDTH
  local record = not given[field] and call('HGET', tables.REQUEST, field)
  if is_held_by(record, held.stamps[i], ARGV[at + 1]) then
    given[field] = true
    local one = { owner = owner, ticket = held.tickets[i], field = field, record = record, told = true }
    local waiting = ARGV[at + 4] == '0' and record or lose_try(one, 'lost it or gave it up: ', ARGV[at + 5])
    if waiting then
      marks[#marks + 1], marks[#marks + 2] = field, sub(waiting, 1, layout.WAITING_LENGTH)
        .. pauses.added(waiting, caller.node, ARGV[at + 2], ARGV[at + 3] == '1', ARGV[at + 5])
      local runner = layout.runner_of(record)
      lost[runner] = (lost[runner] or '') .. ARGV[at + 1]
      lines[owner] = lines[owner] or {}
      table.insert(lines[owner], held.tickets[i])
      leaves_own = leaves_own or owner == caller.node and (ARGV[at + 2] ~= '0' or ARGV[at + 3] == '1')
    else
      ends[#ends + 1] = one
    end
    answers[i] = waiting and 'OK' or 'FAILED'
  else
    answers[i] = 'LOST'
  end
end

require('lib.end_requests')(ends)
require('lib.take_away')(lost)
if #marks > 0 then
  call('HSET', tables.REQUEST, unpack(marks))
  if leaves_own then
    require('lib.note_asks')('never')
  end
  for owner, tickets in pairs(lines) do
    enqueue(owner, tickets)
    ring(owner, least_tokens(tickets, owner), 0, nil, caller.node)
  end
end
return leave(nil, { 'OK', format('%014x', shard.tick), table.concat(answers, ' ') })
