-- What a claim does with a ticket that would fit in an emptier engine. What has waited long is not passed for ever: an
-- engine keeps room for the oldest; what fits alone ends the call, so that it comes first in the next.
--
-- GIVES  not_now(line, take, one)
-- WRITES nothing
local layout = require('lib.layout')
local shard = require('lib.shard')
local wanted = require('lib.wanted')
-- most tickets that one call steps over, as its engine has no room for them now
local NOT_NOW = 16

local function not_now(line, take, one)
  local waited = shard.now - layout.hex(one.record, layout.ARRIVAL, 14) / 1000
  if waited < 0 or waited >= wanted.patience then
    local is_large = one.tokens > wanted.alone_tokens
    if is_large and line.order < take.kept_order and wanted.keep_for > 0 then
      require('lib.keep')(take, one.ticket, line.order, wanted.keep_for)
      take.full = true
      return
    elseif not is_large and one.ticket ~= take.kept then
      take.full = true
      return
    end
  end
  take.not_now = take.not_now + 1
  take.full = take.not_now == NOT_NOW
  require('lib.step_over')(line, take, one.tokens)
end

return not_now
