-- The TTL refresh. First extends what the caller holds (one past its deadline is ended as expired), then says which of
-- its pending tickets the shard does not know, removes its mailbox up to the cursor, reaps, buries nodes silent
-- for ttl, and moves the shard's one expiry.
--
-- INCLUDE visit due end_requests is_held_by leave
-- DEFER reap forget_nodes
-- ARGV[14] reap_limit   most due tickets to look at
-- ARGV[15] cursor       tick of the last result the caller has; empty: none
-- ARGV[16] held         number of claims that follow
-- ARGV[17..] ticket fence   of each claim; then the caller's pending tickets, one argument each
-- RETURNS status, tick, indexes from 0 of lost claims, indexes from 0 of unknown tickets (both joined by ' '), more to
--         reap (0 or 1), ms to the first due (-1: none)
-- STATUS OK
-- COST   O(n log due)
local reap_limit, cursor, held = tonumber(ARGV[14]), ARGV[15], tonumber(ARGV[16])
local FIRST, WIDTH, DAY = 17, 2, 86400000
local refused = enter()
if refused then
  return refused
end
visit()
call('ZADD', NODE, format('%d', now + lease), node)

local function records_of(from, count, width)
  local owners, fields = {}, {}
  for i = 1, count do
    local ticket = ARGV[from + (i - 1) * width]
    owners[i] = owner_of(ticket)
    fields[i] = field_of(ticket, owners[i])
  end
  return owners, fields, count > 0 and call('HMGET', REQUEST, unpack(fields)) or {}
end

local owners, fields, records = records_of(FIRST, held, WIDTH)
local dues, ends, ended, lost, unknown = {}, {}, {}, {}, {}
for i = 1, held do
  local at = FIRST + (i - 1) * WIDTH
  local ticket, fence = ARGV[at], ARGV[at + 1]
  if ended[fields[i]] or not is_held_by(records[i], stamp_of(ticket, owners[i]), fence) then
    lost[#lost + 1] = i - 1
  elseif hex(records[i], DEADLINE, 12) <= now then
    ended[fields[i]] = true
    lost[#lost + 1] = i - 1
    ends[#ends + 1] = { owner = owners[i], ticket = ticket, field = fields[i], record = records[i], told = true,
      final = 'expired', reason = '' }
  else
    dues[#dues + 1] = format('%d', min(now + lease, hex(records[i], DEADLINE, 12)))
    dues[#dues + 1] = ticket
  end
end
if #dues > 0 then
  call('ZADD', DUE, unpack(dues))
end

local pending = FIRST + held * WIDTH
owners, fields, records = records_of(pending, #ARGV - pending + 1, 1)
for i = 1, #fields do
  if not is_current(records[i], stamp_of(ARGV[pending + i - 1], owners[i])) then
    unknown[#unknown + 1] = i - 1
  end
end
end_requests(ends)
if cursor ~= '' then
  call('ZREMRANGEBYLEX', OUT, '[' .. node .. '|', '(' .. node .. '|' .. cursor .. '}')
end

local more = is_due() and reap(reap_limit)
more = forget_nodes() or more
local keep = call('XLEN', DEAD) > 0 and max(ttl, DAY) or ttl
expiry = format('%d', now + keep)
note('expiry', expiry)
fresh = { unpack(KEYS) }
return leave(nil, { 'OK', format('%014x', tick), table.concat(lost, ' '), table.concat(unknown, ' '), more and '1' or '0',
  next_due(math.huge) })
