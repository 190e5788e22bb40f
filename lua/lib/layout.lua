-- Where the fields of a ticket and of a request record are. All have a fixed width. A ticket is
-- owner|order|tokens|deadline|id: 14, 8 and 12 hex digits, the id last. The first 36 bytes of a request record are the
-- ticket's stamp: order|tokens|deadline. Then its owner's wish, three characters: l, f or a, as what it is kept in `dead`
-- (copy_to_dead.lua); b if its body is too, else -; a if the loss of its owner ends it, else -. Its arrival is in us.
-- Offsets and `sub` are used instead of patterns, as this code is hot.
--
-- GIVES  ORDER, TOKENS, DEADLINE, WISH, LEFT, SPENT, BYTES, ARRIVAL, HOLDER, RUNNER, STAMP, WAITING_LENGTH, NO_MARK,
--        hex(text, from, width), owner_of(ticket), field_of(ticket, owner), stamp_of(ticket, owner), runner_of(record),
--        ends_alone(record)
-- WRITES nothing
local sub = string.sub
local layout = {}
-- where each field of a record begins; in a ticket `#owner + 1` later
layout.ORDER, layout.TOKENS, layout.DEADLINE, layout.WISH, layout.LEFT, layout.SPENT = 1, 16, 25, 38, 42, 45
layout.BYTES, layout.ARRIVAL, layout.HOLDER, layout.RUNNER = 48, 57, 72, 87
-- lengths of a stamp, and of the record of a waiting request that nobody has given back (pauses.lua): over 64 bytes, so that
-- Redis keeps records in a hash table from the start. A listpack is read from its begin for each request, and ends with the
-- first claim anyway
layout.STAMP, layout.WAITING_LENGTH = 36, 70
-- the mark of a runner that has none
layout.NO_MARK = '00000000000000'

function layout.hex(text, from, width)
  return tonumber(sub(text, from, from + width - 1), 16)
end

function layout.owner_of(ticket)
  return sub(ticket, 1, string.find(ticket, '|', 1, true) - 1)
end

-- the field under which the ticket's record and body are stored: owner|id
function layout.field_of(ticket, owner)
  return sub(ticket, 1, #owner + 1) .. sub(ticket, #owner + layout.STAMP + 3)
end

function layout.stamp_of(ticket, owner)
  return sub(ticket, #owner + 2, #owner + layout.STAMP + 1)
end

-- of a claimed request
function layout.runner_of(record)
  return string.match(record, '^[^/~]*', layout.RUNNER)
end

function layout.ends_alone(record)
  return sub(record, layout.WISH + 2, layout.WISH + 2) == 'a'
end

return layout
