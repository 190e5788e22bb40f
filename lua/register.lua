-- The topic's registry. `take`: the first free of the candidate names, or, taking over, the first whoever holds it;
-- `renew`: keeps the epoch, unless another had the name in between; `leave`: the name is free at once, its epoch stays
-- known. Keyed by a random instance id, so a repeat finds its own entry. Epochs grow: max(server us, stored + 1,
-- above + 1).
--
-- The load unit is_current for the topic: whoever comes with another is answered UNIT while a node is registered, or unless
-- it has seen that nothing waits, as the load tables are in that unit.
--
-- INCLUDE names
-- ARGV[1] action        take, over (take over), renew, leave
-- ARGV[2] instance      random id of the caller, without |
-- ARGV[3] clock         ms that stand for the server's time in tests; empty: the server's own time
-- ARGV[4] keep_alive    ms that a registration is_current
-- ARGV[5] ttl           ms until an unused name is forgotten
-- ARGV[6] above         an epoch that the new one must exceed, 14 hex digits
-- ARGV[7] epoch         the caller's, 14 hex digits; empty when it takes a name
-- ARGV[8] load_shards   the caller's
-- ARGV[9] load_unit     the caller's: requests, tokens
-- ARGV[10] empty        1: the caller has seen that nothing waits in any shard
-- ARGV[11..] name home  candidate names, each with its home shard
-- RETURNS status, name, epoch, shards in use; for SCHEMA the version found; for UNIT the topic's unit, a node that is
--         registered or nothing, shards in use
-- STATUS OK TAKEN SCHEMA UNIT
-- COST   O(candidates); take: O(names)
local action, instance, clock, keep_alive, ttl = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local above, own_epoch, load_shards, load_unit, empty = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local FIRST, DAY, SCHEMA = 11, 86400000, '1'
local time = call('TIME')
local us = clock == '' and time[1] * 1000000 + time[2] or clock * 1000
local now = math.floor(us / 1000)

local meta = call('HMGET', META, 'schema', 'shards', 'unit')
if meta[1] and meta[1] ~= SCHEMA then
  return { 'SCHEMA', meta[1] }
end
local shards = format('%d', max(tonumber(meta[2] or 0), tonumber(load_shards)))

-- begins with a write that is allowed over maxmemory, which opens the rest of the script
local function store(name, holder, epoch, till, home)
  call('PEXPIREAT', NODES, format('%d', now + ttl))
  call('HSET', NODES, name, holder .. '|' .. epoch .. '|' .. format('%d', till) .. '|' .. home)
  call('HSET', META, 'schema', SCHEMA, 'shards', shards, 'unit', load_unit)
  call('PEXPIREAT', NODES, format('%d', now + ttl))
  call('PEXPIREAT', META, format('%d', now + max(ttl, DAY)))
end

-- a repeat, or a renewal, keeps its epoch
local function epoch_for(entry)
  local own = entry.holder == instance and entry.epoch or action == 'renew' and not entry.holder and own_epoch
  if own and own > above then
    return own
  end
  return format('%014x', max(us, tonumber(entry.epoch or '0', 16) + 1, tonumber(above, 16) + 1))
end

-- the caller, who renews, took the name after this entry was written, and a rollback brought the entry back
local function is_undone(entry)
  return own_epoch > entry.epoch
end

local unit = meta[3] or meta[1] and 'requests' or load_unit
if action == 'leave' then
  load_unit = unit
elseif unit ~= load_unit then
  local name = registered_other(instance, now)
  if name or empty ~= '1' then
    return { 'UNIT', unit, name or '', shards }
  end
end

for at = FIRST, #ARGV, 2 do
  local name, home = ARGV[at], ARGV[at + 1]
  local entry = entry_of(name)
  if action == 'leave' and entry.holder ~= instance then
    return { 'OK', name, '', shards }
  elseif entry.holder == instance or entry.till <= now or action == 'over' or is_undone(entry) then
    if action == 'take' or action == 'over' then
      forget_names(now - ttl)
    end
    local epoch = epoch_for(entry)
    local leaving = action == 'leave'
    store(name, leaving and '' or instance, epoch, leaving and now or now + keep_alive, home)
    return { 'OK', name, epoch, shards }
  end
end
return { 'TAKEN', '', '', shards }
