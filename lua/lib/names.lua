-- names: the two tables of a topic's registry, and who is_current there.
--
-- KEYS[1] nodes hash    name -> instance|epoch|registered until|home shard
-- KEYS[2] meta hash     schema, shards: the highest load_shards any registered node ever gave; unit: of the load tables
local NODES, META = KEYS[1], KEYS[2]
local call, format, max = redis.call, string.format, math.max

local function parse(text)
  local holder, epoch, till = string.match(text or '', '^([^|]*)|([^|]*)|([^|]*)|')
  return { holder = holder, epoch = epoch, till = tonumber(till or 0) }
end

local function entry_of(name)
  return parse(call('HGET', NODES, name))
end

-- the name of another instance that is registered now, or nil
local function registered_other(instance, now)
  local all = call('HGETALL', NODES)
  for i = 1, #all, 2 do
    local entry = parse(all[i + 1])
    if entry.holder ~= '' and entry.holder ~= instance and entry.till > now then
      return all[i]
    end
  end
end

local function forget_names(before)
  local all = call('HGETALL', NODES)
  for i = 1, #all, 2 do
    if parse(all[i + 1]).till < before then
      call('HDEL', NODES, all[i])
    end
  end
end
