-- The tickets that a call names, `count` of them, in every `width`th argument from `first` on: { tickets, their owners, the
-- fields and stamps of their records }. Called before the first write: too many, or a text that is no ticket, end the call
-- there.
--
-- GIVES  named(first, width, count)
-- WRITES nothing
local bounds = require('lib.bounds')
local layout = require('lib.layout')

local function named(first, width, count)
  assert(count >= 0 and count <= bounds.ITEMS and count % 1 == 0, 'too many tickets, or a part of one')
  local list = { tickets = {}, owners = {}, fields = {}, stamps = {} }
  for i = 1, count do
    local ticket = ARGV[first + (i - 1) * width]
    local owner = layout.owner_of(ticket)
    list.tickets[i], list.owners[i] = ticket, owner
    list.fields[i], list.stamps[i] = layout.field_of(ticket, owner), layout.stamp_of(ticket, owner)
  end
  return list
end

return named
