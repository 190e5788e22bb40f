-- Tells the runners of these claims (named.lua) to wait with their next chunks, or to go on. A claim that does not stand any
-- more is told to nobody. `first`, `width`: of the arguments, fence and ms behind each ticket.
--
-- GIVES  halt(list, first, width)
-- WRITES nothing
local is_held_by = require('lib.is_held_by')
local layout = require('lib.layout')
local tables = require('lib.tables')
local tell = require('lib.tell')
local call = redis.call

local function halt(list, first, width)
  local records = call('HMGET', tables.REQUEST, unpack(list.fields))
  for i = 1, #records do
    local at = first + (i - 1) * width
    if is_held_by(records[i], list.stamps[i], ARGV[at + 1]) then
      tell(layout.runner_of(records[i]), 'halt', ARGV[at + 2], ARGV[at + 1])
    end
  end
end

return halt
