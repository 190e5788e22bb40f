-- is_held_by: the record is of this very ticket (not of a later request with its id) and this fence holds it.
--
-- INCLUDE ticket
local function is_claimed(record)
  return #record > WAITING_LENGTH
end

local function is_current(record, stamp)
  return record and sub(record, 1, STAMP) == stamp
end

local function is_held_by(record, stamp, fence)
  return is_current(record, stamp) and is_claimed(record) and sub(record, HOLDER, HOLDER + 13) == fence
end
