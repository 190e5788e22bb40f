-- How much waits in the mailbox of an owner, as `calls` holds it (`owner|box`), six fields of 14 characters: intro, id;
-- chunks, bytes; chunks taken, bytes taken. The sums only grow. An entry with chunks has `totals`: id, and the chunks and
-- bytes up to and with it. The owner hands back those of the last one that it has: so nobody walks the chunks of an entry,
-- or counts what waits. Finals are not counted, as there is always room for them.
--
-- `intro`: a tick; who sends frames (post_frames.lua) under another one than before tells the owner the tickets again. `id`:
-- a tick; totals of another box, which was lost, are not of this one.
--
-- GIVES  of(owner, text), room(box, chunks, bytes), add(box, chunks, bytes), keep(box), taken(text, totals), emptied(text)
-- WRITES nothing
local layout = require('lib.layout')
local shard = require('lib.shard')
local format, sub = string.format, string.sub
local NOTHING = '0000000000000000000000000000'
local boxes = {}
local by_owner = {}

-- the box of an owner, from its text; false: it has none, and gets one once it is kept
function boxes.of(owner, text)
  local box = by_owner[owner]
  if not box then
    if text then
      box = { owner = owner, intro = sub(text, 1, 14), id = sub(text, 15, 28), chunks = layout.hex(text, 29, 14),
        bytes = layout.hex(text, 43, 14), taken = sub(text, 57) }
    else
      -- none was given to a box before, as each entry takes a later one
      local tick = format('%014x', shard.tick)
      box = { owner = owner, intro = tick, id = tick, chunks = 0, bytes = 0, taken = NOTHING }
    end
    by_owner[owner] = box
  end
  return box
end

-- how many chunks and bytes there would be room for, of so many
function boxes.room(box, chunks, bytes)
  return chunks - box.chunks + layout.hex(box.taken, 1, 14), bytes - box.bytes + layout.hex(box.taken, 15, 14)
end

-- so much enters; answers the totals of the entry
function boxes.add(box, chunks, bytes)
  box.chunks, box.bytes = box.chunks + chunks, box.bytes + bytes
  box.totals = box.id .. format('%014x%014x', box.chunks, box.bytes)
  return box.totals
end

-- `leave` writes it
function boxes.keep(box)
  shard.remember(box.owner .. '|box', box.intro .. box.totals .. box.taken)
end

-- the text once all up to the entry with these totals was taken; the same, if they are not of this box
function boxes.taken(text, totals)
  local sums = sub(totals, 15)
  if sub(totals, 1, 14) == sub(text, 15, 28) and sums > sub(text, 57) and sums <= sub(text, 29, 56) then
    return sub(text, 1, 56) .. sums
  end
  return text
end

-- the text once nothing waits
function boxes.emptied(text)
  return sub(text, 1, 56) .. sub(text, 29, 56)
end

return boxes
