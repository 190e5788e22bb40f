-- Fixed-width fields of a ticket (owner|order|tokens|deadline|id: 14, 8 and 12 hex digits, the id last) and of a
-- request record, whose first 36 bytes are the ticket's stamp. Offsets and `sub`, not patterns: it is hot.
--
-- INCLUDE tables
local ORDER, TOKENS, DEADLINE, LEFT, SPENT, BYTES, HOLDER, RUNNER = 1, 16, 25, 38, 41, 44, 53, 68
local STAMP, WAITING_LENGTH = 36, 51

local function hex(text, from, width)
  return tonumber(sub(text, from, from + width - 1), 16)
end

local function owner_of(ticket)
  return sub(ticket, 1, string.find(ticket, '|', 1, true) - 1)
end

-- the record's field of a ticket: owner|id
local function field_of(ticket, owner)
  return sub(ticket, 1, #owner + 1) .. sub(ticket, #owner + STAMP + 3)
end

local function stamp_of(ticket, owner)
  return sub(ticket, #owner + 2, #owner + STAMP + 1)
end
