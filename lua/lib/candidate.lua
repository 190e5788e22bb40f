-- A waiting ticket as a claim may pick it: { owner, ticket, field, record, tokens, bytes, arrival and deadline (ms), body:
-- its body is sent along }. `since`: from this arrival (us) on, own tickets' bodies are in the caller's memory.
--
-- GIVES  candidate(owner, ticket, field, record, since)
-- WRITES nothing
local caller = require('lib.caller')
local layout = require('lib.layout')

local function candidate(owner, ticket, field, record, since)
  local at, arrival = #owner + 1, layout.hex(record, layout.ARRIVAL, 12)
  return { owner = owner, ticket = ticket, field = field, record = record, arrival = arrival,
    tokens = layout.hex(ticket, at + layout.TOKENS, 8), bytes = layout.hex(record, layout.BYTES, 8),
    deadline = layout.hex(ticket, at + layout.DEADLINE, 12), body = owner ~= caller.node or arrival * 1000 < since }
end

return candidate
