-- Keeps a copy of a request that ends in the capped stream `dead`, if its owner wishes that of such an end. `one`: see
-- end_requests.lua; one.dead, else one.final, says how it ends. Kept are always lost (no tries left) and undecodable (by its
-- runner), failed unless the owner wants no more than these, and expired if it wants all. The entry names the nodes that
-- had the request, the last error (of its end, else why it was last given back), and the body if the owner wants bodies of
-- its size. The size tells a body that was left out from an empty one.
--
-- GIVES  copy_to_dead(one)
-- WRITES dead
local is_claimed = require('lib.is_claimed')
local layout = require('lib.layout')
local pauses = require('lib.pauses')
local shard = require('lib.shard')
local tables = require('lib.tables')
local call, format, sub = redis.call, string.format, string.sub
-- a reason may be as long as a result: 1,000 of them would be 1 GB
local DEAD_LENGTH, ERROR_LENGTH = '1000', 4096

local function copy_to_dead(one)
  local record, kind = one.record, one.dead or one.final
  local wish = sub(record, layout.WISH, layout.WISH)
  if kind == 'failed' and wish == 'l' or kind == 'expired' and wish ~= 'a' then
    return
  end
  local body = sub(record, layout.WISH + 1, layout.WISH + 1) == 'b' and call('HGET', tables.BODY, one.field) or ''
  local error = one.error or one.reason
  error = error == '' and pauses.reason(record) or error
  local tries_spent = layout.hex(record, layout.SPENT, 2) + (is_claimed(record) and 1 or 0)
  call('XADD', tables.DEAD, 'MAXLEN', '~', DEAD_LENGTH, '*', 'ticket', one.ticket, 'kind', kind,
    'error', sub(error, 1, ERROR_LENGTH), 'spent', format('%d', tries_spent),
    'nodes', table.concat(pauses.nodes(record), ' '), 'bytes', format('%d', layout.hex(record, layout.BYTES, 8)),
    'body', body)
  shard.made(tables.DEAD)
end

return copy_to_dead
