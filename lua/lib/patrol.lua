-- Walks over all records of the shard, a few at each refresh, and mends what it finds. So a request is found that no living
-- owner names: one that neither waits nor is held, or is never due. Answers whether anything was wrong: then more may be.
--
-- GIVES  patrol()
-- WRITES nothing
local bounds = require('lib.bounds')
local layout = require('lib.layout')
local mend = require('lib.mend')
local shard = require('lib.shard')
local tables = require('lib.tables')
local call, min, sub = redis.call, math.min, string.sub
local EACH = '128'

local function patrol()
  local at = call('HGET', tables.SHARD, 'patrol') or '0'
  local found, requests = call('HSCAN', tables.REQUEST, at, 'COUNT', EACH), {}
  local list = found[2]
  for i = 1, min(#list, 2 * bounds.ITEMS), 2 do
    local field, record = list[i], list[i + 1]
    local owner = layout.owner_of(field)
    local ticket = owner .. '|' .. sub(record, 1, layout.STAMP) .. sub(field, #owner + 1)
    requests[#requests + 1] = { owner = owner, ticket = ticket, field = field, record = record }
  end
  if found[1] ~= at then
    shard.note('patrol', found[1])
  end
  return #requests > 0 and mend(requests)
end

return patrol
