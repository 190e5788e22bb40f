-- Appends what the caller sends to each owner as one entry, many chunks in one frame, and tells the owners. A group is
-- { owner, frame, count, carried, box (boxes.lua) }; the caller's own has no box, as nothing is stored for it; one without
-- chunks stores nothing either. An entry of at most `carried` bytes goes with the wake-up, too: its owner need not ask.
-- Answers, of each group, k, or o if its owner is silent, and the intro of its box; and who was told to ask.
--
-- GIVES  post_frames(list)
-- WRITES out, node
local boxes = require('lib.boxes')
local caller = require('lib.caller')
local layout = require('lib.layout')
local shard = require('lib.shard')
local tables = require('lib.tables')
local tell = require('lib.tell')
local call, format = redis.call, string.format

local function post_frames(list)
  local owners, members, answers, rung = {}, {}, {}, {}
  for i = 1, #list do
    owners[i] = list[i].owner
  end
  local alive = call('ZMSCORE', tables.NODE, unpack(owners))
  for i = 1, #list do
    local owner, frame, count, box = owners[i], list[i].frame, list[i].count, list[i].box
    if box and count > 0 then
      local member = owner .. '|' .. shard.next_tick() .. '|F' .. boxes.add(box, count, #frame)
        .. format('%04x', count) .. frame
      members[#members + 1] = '0'
      members[#members + 1] = member
      boxes.keep(box)
      rung[owner] = #member > list[i].carried
      if not alive[i] then
        call('ZADD', tables.NODE, format('%d', shard.now + caller.lease), owner)
      end
    end
    answers[i] = box and (tonumber(alive[i] or 0) < shard.now and 'o' or 'k') .. box.intro or 'k' .. layout.NO_MARK
  end
  if #members > 0 then
    call('ZADD', tables.OUT, unpack(members))
  end
  for i = 2, #members, 2 do
    local owner = layout.owner_of(members[i])
    tell(owner, 'results', 0, not rung[owner] and members[i])
  end
  return table.concat(answers), rung
end

return post_frames
