-- Looks behind the ticket in front of a line, which does not fit and stays in line. `tokens`: its tokens.
--
-- GIVES  step_over(line, take, tokens)
-- WRITES nothing
local min = math.min

local function step_over(line, take, tokens)
  take.least = min(take.least, tokens)
  line.stays = line.stays or line.order
  line.at, line.ticket = line.at + 1, nil
end

return step_over
