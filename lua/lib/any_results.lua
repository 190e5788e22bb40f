-- Any call with results, whatever is in it (put_results.lua). What it decides stands in the head of that script.
--
-- GIVES  any_results()
-- WRITES out, calls
local bounds = require('lib.bounds')
local boxes = require('lib.boxes')
local caller = require('lib.caller')
local enter = require('lib.enter')
local layout = require('lib.layout')
local leave = require('lib.leave')
local shard = require('lib.shard')
local tables = require('lib.tables')
local call, format, sub = redis.call, string.format, string.sub
local FIRST, WIDTH, NO_CALL = 18, 6, '000000000000'
local KINDS = { chunk = true, finished = true, done = true, failed = true }

local function any_results()
  local max_results, max_bytes, terms, count = tonumber(ARGV[14]), tonumber(ARGV[15]), ARGV[16], tonumber(ARGV[17])
  local form, last, mark, carried = sub(terms, 1, 1), sub(terms, 2, 13), sub(terms, 14, 27), tonumber(sub(terms, 28), 16)
  assert(max_results >= 0 and max_bytes >= 0 and #terms == 31 and carried and count >= 0
    and count <= bounds.ITEMS and count % 1 == 0, 'an argument is out of its range')
  local first = FIRST + 2 * count
  local claims = #ARGV >= first and require('lib.named')(first, WIDTH, (#ARGV - first + 1) / WIDTH)
  for at = first, #ARGV, WIDTH do
    assert(#ARGV[at + 2] == 8 and KINDS[ARGV[at + 3]], 'a result without number or kind')
  end
  local fields = { '', '', caller.node .. '|held', caller.node .. '|taken' }
  local list = count > 0 and require('lib.groups')(FIRST, count, fields)
  local doubt, told, set, left, stays = false, '', nil, '', true

  local function open(calls, is_new)
    local held, taken, answered = layout.NO_MARK .. layout.NO_MARK, '', NO_CALL
    if not is_new then
      held, taken, answered = calls[3] or held, calls[4] or '', calls[2] and sub(calls[2], 1, 12) or NO_CALL
    end
    doubt = answered ~= last or mark ~= sub(held, 1, 14) and mark ~= sub(held, 15) or sub(taken, -1) == '*'
    if count > 0 and (doubt or mark == layout.NO_MARK) then
      return { 'DOUBT', format('%014x', shard.tick) }
    elseif taken ~= '' and not doubt then
      told, set, left = require('lib.taken_until')(taken, mark)
    end
    stays = left == taken
    for i = 1, count do
      local one = list[i]
      if one.owner ~= caller.node then
        one.box = boxes.of(one.owner, calls[4 + i])
        if told ~= '' then
          one.frame, one.count = require('lib.cut')(one.frame, one.count, set)
        end
        local chunks, bytes = boxes.room(one.box, max_results, max_bytes)
        if one.count > 0 and (one.count > chunks or #one.frame > bytes) then
          return { 'FULL', format('%014x', shard.tick) }
        end
        local is_roomy = chunks > bounds.ROOMY * max_results and bytes > bounds.ROOMY * max_bytes
        one.carried = not claims and is_roomy and carried or 0
      end
    end
    if call('PEXPIREAT', tables.OUT, shard.expiry) == 0 then
      shard.made(tables.OUT)
    end
  end

  local refused = enter('result', open, fields)
  if refused then
    return refused
  end
  local news, rung = '', {}
  if count > 0 then
    news, rung = require('lib.post_frames')(list)
  end
  local words = claims and require('lib.exact_results')(claims, first, max_results, max_bytes, rung) or ''
  if doubt then
    mark = shard.next_tick()
    shard.remember(fields[3], mark .. mark)
  end
  if not stays and left == '' then
    call('HDEL', tables.CALLS, fields[4])
  elseif not stays then
    shard.remember(fields[4], left)
  end
  local answer = form .. mark .. format('%04x', #told / 14) .. told .. news .. words
  return leave('result', { 'OK', format('%014x', shard.tick), answer })
end

return any_results
