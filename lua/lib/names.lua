-- The tables of a topic's registry, and what they hold. An entry is { holder: instance, epoch, till: ms }.
--
-- KEYS[1] nodes hash    name -> instance|epoch|registered until|home shard|engine|breaker, see register.lua
-- KEYS[2] meta hash     schema, shards: the highest load_shards any registered node ever gave; unit: of the load tables;
--                       ttl: the longest that any node gave, ms; expiry: when nodes expires, ms
-- KEYS[3] cards hash    name -> what the node told of itself at its last renewal (src/protocol/card.ts); no script reads it
--
-- GIVES  entry_of(name), registered_other(instance, now), forget(before), tell(name, card, expiry)
-- WRITES nodes, cards
local call = redis.call
local names = {}
names.NODES, names.META, names.CARDS = KEYS[1], KEYS[2], KEYS[3]

local function parse(text)
  local holder, epoch, till = string.match(text or '', '^([^|]*)|([^|]*)|([^|]*)|')
  return { holder = holder, epoch = epoch, till = tonumber(till or 0) }
end

function names.entry_of(name)
  return parse(call('HGET', names.NODES, name))
end

-- the name of another instance that is registered now, or nil
function names.registered_other(instance, now)
  local all = call('HGETALL', names.NODES)
  for i = 1, #all, 2 do
    local entry = parse(all[i + 1])
    if entry.holder ~= '' and entry.holder ~= instance and entry.till > now then
      return all[i]
    end
  end
end

-- removes names whose registration ended before that time, ms
function names.forget(before)
  local all = call('HGETALL', names.NODES)
  for i = 1, #all, 2 do
    if parse(all[i + 1]).till < before then
      call('HDEL', names.NODES, all[i])
      call('HDEL', names.CARDS, all[i])
    end
  end
end

-- the card of a name that is registered until then at most, ms; empty: there is none any more. The table is there as long as
-- `nodes`: while a slot moves, a Cluster refuses scripts of keys of which one is not there
function names.tell(name, card, expiry)
  call('HSET', names.CARDS, name, card)
  call('PEXPIREAT', names.CARDS, expiry)
end

return names
