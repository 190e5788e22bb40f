-- A waiting ticket as a claim may pick it: { owner, ticket, field, record, tokens, bytes, deadline (ms), body: its body is
-- sent along }.
--
-- GIVES  candidate(owner, ticket, field, record)
-- WRITES nothing
local caller = require('lib.caller')
local layout = require('lib.layout')
local wanted = require('lib.wanted')
local sub = string.sub

local function candidate(owner, ticket, field, record)
  local at = #owner + 1
  return { owner = owner, ticket = ticket, field = field, record = record,
    tokens = layout.hex(ticket, at + layout.TOKENS, 8), bytes = layout.hex(record, layout.BYTES, 8),
    deadline = layout.hex(ticket, at + layout.DEADLINE, 12),
    body = owner ~= caller.node or sub(record, layout.ARRIVAL, layout.ARRIVAL + 13) < wanted.since }
end

return candidate
