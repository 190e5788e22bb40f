-- holds: the record is of this very ticket (not of a later request with its id) and this token holds it.
--
-- INCLUDE ticket
local function is_claimed(record)
  return #record > WAITING_LENGTH
end

local function stands(record, middle)
  return record and sub(record, 1, MIDDLE) == middle
end

local function holds(record, middle, token)
  return stands(record, middle) and is_claimed(record) and sub(record, HOLDER, HOLDER + 13) == token
end
