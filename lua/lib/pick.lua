-- pick: take the front ticket of a line if the call's bounds allow. A ticket over what is left of the token bound (or,
-- a peer's, over the engine's total) blocks its line for this call, not the call; an expired one is set aside to
-- be ended; one whose record is not of it (a table was lost) leaves the line. The first ticket of a call may be larger
-- than the sum that several may have.
--
-- INCLUDE line is_held_by
local picks, expired, tokens_taken, bytes_taken, looked, full = {}, {}, 0, 0, 0, false

-- the line's front ticket; at most as many are read as the call may still take, and one to be the head
local function peek(line, bounds)
  return front(line, bounds.limit - #picks + 1)
end

local function pick(line, bounds)
  looked = looked + 1
  full = looked >= bounds.looks
  if not peek(line, bounds) then
    return
  end
  local ticket, field, record = front_request(line)
  if not is_current(record, stamp_of(ticket, line.owner)) or is_claimed(record) then
    return pass(line)
  end
  local stamp = #line.owner + 1
  local tokens, bytes = hex(ticket, stamp + TOKENS, 8), hex(record, BYTES, 8)
  local own = line.owner == node
  local one = { owner = line.owner, ticket = ticket, field = field, record = record,
    deadline = hex(ticket, stamp + DEADLINE, 12), body = not own or sub(ticket, stamp + 1, stamp + 14) < bounds.since }
  if one.deadline <= now then
    one.final, one.reason = 'expired', ''
    expired[#expired + 1] = one
    step(line)
  elseif tokens_taken + tokens > (#picks == 0 and bounds.alone or bounds.sum) or not own and tokens > bounds.total then
    line.blocked = true
  elseif one.body and #picks > 0 and bytes_taken + bytes > bounds.bytes then
    full = true
  else
    picks[#picks + 1] = one
    tokens_taken = tokens_taken + tokens
    bytes_taken = bytes_taken + (one.body and bytes or 0)
    pass(line)
  end
  full = full or #picks == bounds.limit
end
