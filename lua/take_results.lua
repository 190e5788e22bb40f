-- Removes the caller's mailbox up to the cursor and answers what follows. So what a lost answer held comes again. BOX: the
-- cursor does not stand (lib/confirm.lua), nothing is removed, and the answer begins at the first entry. Tells the runners
-- of claims that the caller names to wait, or to go on: a reader of their results is behind.
--
-- ARGV[14] cursor       tick (14 hex digits) of the last entry the caller has, and totals (42) of the last with chunks that
--                       it has, or nothing; empty: none
-- ARGV[15] limit        most entries
-- ARGV[16] max_bytes    no entry is added beyond, but for the first
-- ARGV[17..] ticket fence halt  of a claim; halt: ms for which its runner is to wait with its next chunk, 0: it goes on
-- RETURNS status, tick, more (0 or 1), entries as they stand in `out`
-- STATUS OK BOX
-- COST   O(log out + n)
-- WRITES shard (only its expiry)
local bounds = require('lib.bounds')
local boxes = require('lib.boxes')
local caller = require('lib.caller')
local confirm = require('lib.confirm')
local enter = require('lib.enter')
local leave = require('lib.leave')
local shard = require('lib.shard')
local tables = require('lib.tables')
local call, format, min, sub = redis.call, string.format, math.min, string.sub
local cursor, limit, max_bytes = ARGV[14], tonumber(ARGV[15]), tonumber(ARGV[16])
local FIRST_STEP, STEP, FIRST, WIDTH = 4, 16, 17, 3
assert((cursor == '' or #cursor == 14 or #cursor == 56) and limit >= 0 and max_bytes >= 0, 'an argument is out of its range')
local halts = #ARGV >= FIRST and require('lib.named')(FIRST, WIDTH, (#ARGV - FIRST + 1) / WIDTH)
for at = FIRST, #ARGV, WIDTH do
  assert(tonumber(ARGV[at + 2]) >= 0 and tonumber(ARGV[at + 2]) <= bounds.MS, 'a halt is out of its range')
end
local from, to = '[' .. caller.node .. '|', '(' .. caller.node .. '}'

local status, box_field = 'OK', caller.node .. '|box'
local function remove_taken()
  if not confirm(sub(cursor, 1, 14)) then
    status = 'BOX'
    call('PEXPIREAT', tables.SHARD, shard.expiry)
  end
end

local refused, calls = enter(nil, cursor ~= '' and remove_taken or nil, { '', '', box_field })
if refused then
  return refused
end
if halts then
  require('lib.halt')(halts, FIRST, WIDTH)
end

local reply, bytes, more, step = { status, format('%014x', shard.tick), '0' }, 0, true, FIRST_STEP
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
local box = calls[3]
if box then
  local after = more or #reply > 3
  local text = after and boxes.taken(box, status == 'OK' and sub(cursor, 15) or '') or boxes.emptied(box)
  if text ~= box then
    shard.remember(box_field, text)
  end
end
return leave(nil, reply)
