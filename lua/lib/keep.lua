-- From now on the caller keeps room for this ticket, for so many ms without another claim; nil: nobody keeps room.
--
-- GIVES  keep(take, ticket, order, ms)
-- WRITES nothing
local caller = require('lib.caller')
local shard = require('lib.shard')
local format = string.format

local function keep(take, ticket, order, ms)
  take.keeper, take.kept, take.kept_order = ticket and caller.node, ticket, order or math.huge
  shard.note('kept', ticket and caller.node .. '|' .. format('%012x', shard.now + ms) .. '|' .. ticket or '')
end

return keep
