-- tell: publish a wake-up to one node: what, the shard's number, and after how many ms.
--
-- INCLUDE caller
local function tell(name, what, delay)
  call('PUBLISH', wake .. name, what .. ' ' .. number .. ' ' .. format('%d', delay or 0))
end
