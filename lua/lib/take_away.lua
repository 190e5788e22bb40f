-- These runners no longer hold these claims: each is told so by its next call with results, which cuts what it sends of
-- them out of its frames (put_results.lua). Who ends a claim by a result of its own is not told. A runner without a mark
-- sends no frames. Beyond 256 tokens a `*` says that not all are listed: then no frame of it is taken before it has
-- another mark.
--
-- `lost`: runner -> tokens (the fences of its claims), joined.
--
-- GIVES  take_away(lost)
-- WRITES calls
local tables = require('lib.tables')
local call, sub = redis.call, string.sub
-- 256 tokens of 14 digits
local MOST_TAKEN, CAPPED = 3584, '*'

local function take_away(lost)
  for runner, tokens in pairs(lost) do
    local field = runner .. '|taken'
    local stored = call('HMGET', tables.CALLS, runner .. '|held', field)
    local taken = (stored[2] or '') .. tokens
    if stored[1] then
      call('HSET', tables.CALLS, field, #taken > MOST_TAKEN and sub(taken, 1, MOST_TAKEN) .. CAPPED or taken)
    end
  end
end

return take_away
