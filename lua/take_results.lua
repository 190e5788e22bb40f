-- Removes the caller's mailbox up to the cursor and answers what follows. So what a lost answer held comes again. Tells the
-- runners of claims that the caller names to wait, or to go on: a reader of their results is behind.
--
-- ARGV[14] cursor       tick of the last result the caller has; empty: none
-- ARGV[15] limit        most results
-- ARGV[16] max_bytes    no result is added beyond, but for the first
-- ARGV[17..] ticket fence halt  of a claim; halt: ms for which its runner is to wait with its next chunk, 0: it goes on
-- RETURNS status, tick, more (0 or 1), results as they stand in `out`
-- STATUS OK
-- COST   O(log out + n)
-- WRITES out
local bounds = require('lib.bounds')
local caller = require('lib.caller')
local enter = require('lib.enter')
local leave = require('lib.leave')
local shard = require('lib.shard')
local tables = require('lib.tables')
local call, format, min = redis.call, string.format, math.min
local cursor, limit, max_bytes = ARGV[14], tonumber(ARGV[15]), tonumber(ARGV[16])
local FIRST_STEP, STEP, FIRST, WIDTH = 4, 16, 17, 3
assert((cursor == '' or #cursor == 14) and limit >= 0 and max_bytes >= 0, 'an argument is out of its range')
local halts = #ARGV >= FIRST and require('lib.named')(FIRST, WIDTH, (#ARGV - FIRST + 1) / WIDTH)
for at = FIRST, #ARGV, WIDTH do
  assert(tonumber(ARGV[at + 2]) >= 0 and tonumber(ARGV[at + 2]) <= bounds.MS, 'a halt is out of its range')
end
local from, to = '[' .. caller.node .. '|', '(' .. caller.node .. '}'

-- a removal is allowed over maxmemory: it opens the script
local function remove_taken()
  call('ZREMRANGEBYLEX', tables.OUT, from, '(' .. caller.node .. '|' .. cursor .. '}')
end

local refused = enter(nil, cursor ~= '' and remove_taken or nil)
if refused then
  return refused
end
if halts then
  require('lib.halt')(halts, FIRST, WIDTH)
end

local reply, bytes, more, step = { 'OK', format('%014x', shard.tick), '0' }, 0, true, FIRST_STEP
while more and #reply - 3 < limit and bytes < max_bytes do
  step = min(step, limit - #reply + 3)
  local mails = call('ZRANGEBYLEX', tables.OUT, from, to, 'LIMIT', '0', format('%d', step))
  more = #mails == step
  for i = 1, #mails do
    if #reply > 3 and bytes + #mails[i] > max_bytes then
      more, bytes = true, max_bytes
      break
    end
    reply[#reply + 1] = mails[i]
    bytes = bytes + #mails[i]
  end
  from = more and '(' .. mails[#mails] or from
  step = min(2 * step, STEP)
end
reply[3] = more and '1' or '0'
return leave(nil, reply)
