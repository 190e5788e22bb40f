-- The topic's registry. `take`: the caller gets the first free one of the candidate names. `over`: it takes the first one
-- over, even from a registered instance. `renew`: it keeps its name and epoch, unless another instance had the name in
-- between. `leave`: the name is free at once, its epoch stays known. An entry has a random instance id, so a repeat finds
-- its own entry. Epochs grow: max(server us, stored + 1, above + 1). The load unit is one for the topic. A caller with
-- another one is answered UNIT while another node is registered, or unless the caller has seen that nothing waits. The ttl
-- is the longest that any caller gave. With its name the caller keeps what it says of its engine, and its card.
--
-- ARGV[1] action        take, over (take over), renew, leave
-- ARGV[2] instance      random id of the caller, without |
-- ARGV[3] clock         ms that stand for the server's time in tests; empty: the server's own time
-- ARGV[4] keep_alive    ms that a registration lasts
-- ARGV[5] ttl           the caller's, ms; the topic's longest says when an unused name is forgotten
-- ARGV[6] above         an epoch that the new one must exceed, 14 hex digits
-- ARGV[7] epoch         the caller's, 14 hex digits; empty when it takes a name
-- ARGV[8] load_shards   the caller's
-- ARGV[9] load_unit     the caller's: requests, tokens
-- ARGV[10] empty        1: the caller has seen that nothing waits in any shard
-- ARGV[11] engine       tokens of the largest prompt that the caller's engine can ever hold; empty: it has none
-- ARGV[12] breaker      failures|pause in ms|reason, if the breaker of that engine is open; empty: it is not
-- ARGV[13] card         what the caller tells of itself (src/protocol/card.ts); empty: nothing
-- ARGV[14..] name home  candidate names, each with its home shard
-- RETURNS status, name, epoch, shards in use; for SCHEMA the version found; for UNIT the topic's unit, a node that is
--         registered or nothing, shards in use
-- STATUS OK TAKEN SCHEMA UNIT
-- COST   O(candidates); take: O(names)
-- WRITES nodes, meta
local bounds = require('lib.bounds')
local names = require('lib.names')
local schema = require('lib.schema')
local call, floor, format, max = redis.call, math.floor, string.format, math.max
local action, instance, clock, keep_alive, own_ttl = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local above, own_epoch, load_shards, load_unit, empty, engine = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11]
local breaker, card, FIRST, DAY, MOST_SHARDS = ARGV[12], ARGV[13], 14, 86400000, 65536
local LAST_EPOCH, ANY_TOKENS, MOST_BREAKER, MOST_CARD = 9007199254740991, 4294967295, 512, 2048
assert(#instance > 0 and keep_alive >= 0 and keep_alive <= bounds.MS and own_ttl >= 1 and own_ttl <= bounds.MS
  and #above == 14 and tonumber(above, 16) < LAST_EPOCH and (own_epoch == '' or #own_epoch == 14)
  and tonumber(load_shards) >= 1 and tonumber(load_shards) <= MOST_SHARDS
  and (load_unit == 'requests' or load_unit == 'tokens') and #ARGV > FIRST and (#ARGV - FIRST) % 2 == 1
  and string.match(engine, '^%d*$') and tonumber('0' .. engine) <= ANY_TOKENS
  and #breaker <= MOST_BREAKER and #card <= MOST_CARD, 'an argument is out of its range')
local time = call('TIME')
local us = clock == '' and time[1] * 1000000 + time[2] or clock * 1000
local now = floor(us / 1000)
local meta = call('HMGET', names.META, 'schema', 'shards', 'unit', 'ttl', 'expiry')
if meta[1] and meta[1] ~= schema.VERSION then
  return { 'SCHEMA', meta[1] }
end
local shards = format('%d', max(tonumber(meta[2] or 0), tonumber(load_shards)))
local ttl = format('%d', max(tonumber(meta[4] or 0), own_ttl))
-- a name that is renewed in time finds its entry, whoever comes and goes meanwhile
local expiry = format('%d', max(tonumber(meta[5] or 0), now + tonumber(ttl) + keep_alive))

-- The first write is one that is allowed over maxmemory: it opens the rest of the script.
local function store(name, holder, epoch, till, home)
  call('PEXPIREAT', names.NODES, expiry)
  call('HSET', names.NODES, name, table.concat({ holder, epoch, format('%d', till), home, engine, breaker }, '|'))
  call('HSET', names.META, 'schema', schema.VERSION, 'shards', shards, 'unit', load_unit, 'ttl', ttl, 'expiry', expiry)
  call('PEXPIREAT', names.NODES, expiry)
  call('PEXPIREAT', names.META, format('%d', max(now + DAY, tonumber(expiry))))
  names.tell(name, holder == '' and '' or card, expiry)
end
-- A repeat keeps its epoch, and so does a renewal.
local function epoch_for(entry)
  local own = entry.holder == instance and entry.epoch or action == 'renew' and not entry.holder and own_epoch
  if own and own > above then
    return own
  end
  return format('%014x', max(us, tonumber(entry.epoch or '0', 16) + 1, tonumber(above, 16) + 1))
end

-- The caller's epoch is above the entry's: Redis was rolled back behind its takeover, so the name is still its own.
local function is_undone(entry)
  return own_epoch > entry.epoch
end

local unit = meta[3] or meta[1] and 'requests' or load_unit
if action == 'leave' then
  load_unit = unit
elseif unit ~= load_unit then
  local name = names.registered_other(instance, now)
  if name or empty ~= '1' then
    return { 'UNIT', unit, name or '', shards }
  end
end

for at = FIRST, #ARGV, 2 do
  local name, home = ARGV[at], ARGV[at + 1]
  local entry = names.entry_of(name)
  if action == 'leave' and entry.holder ~= instance then
    return { 'OK', name, '', shards }
  elseif entry.holder == instance or entry.till <= now or action == 'over' or is_undone(entry) then
    if action == 'take' or action == 'over' then
      names.forget(now - tonumber(ttl))
    end
    local epoch, leaving = epoch_for(entry), action == 'leave'
    store(name, leaving and '' or instance, epoch, leaving and now or now + keep_alive, home)
    return { 'OK', name, epoch, shards }
  end
end
return { 'TAKEN', '', '', shards }
