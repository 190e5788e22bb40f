-- Delivers results one by one: each is accepted if the record of its request says that its fence holds. They are appended
-- to the owner's mailbox, unless the owner is the caller. A final ends the request, and is always accepted. A chunk that
-- its owner has no room for ends it as failed: the owner gets that final in the place of the chunk. `claims`: named.lua;
-- `first`: of the arguments; `rung`: owners that have been told. Answers a word for each result, joined by ' '.
--
-- GIVES  exact_results(claims, first, max_results, max_bytes, rung)
-- WRITES nothing
local boxes = require('lib.boxes')
local caller = require('lib.caller')
local is_held_by = require('lib.is_held_by')
local layout = require('lib.layout')
local shard = require('lib.shard')
local tables = require('lib.tables')
local call = redis.call
local ITEM = 6
local NO_ROOM = 'its owner has no room for more results (option maxResults)'

local function exact_results(claims, first, max_results, max_bytes, rung)
  local fields, owners, found, words, changed = claims.fields, claims.owners, {}, {}, {}
  local records = call('HMGET', tables.REQUEST, unpack(fields))
  local answers, chunks, ends, ended = {}, {}, {}, {}

  local function box_of(owner)
    found[owner] = found[owner] or boxes.of(owner, call('HGET', tables.CALLS, owner .. '|box'))
    return found[owner]
  end

  local function is_full(owner)
    local chunks_left, bytes_left = boxes.room(box_of(owner), max_results, max_bytes)
    return chunks_left <= 0 or bytes_left <= 0
  end

  local function accepted(owner)
    if owner == caller.node then
      return 'OK'
    end
    words[owner] = words[owner] or tonumber(call('ZSCORE', tables.NODE, owner) or 0) < shard.now and 'ORPHAN' or 'OK'
    return words[owner]
  end

  local function finish(i, at, final, reason, own)
    ended[fields[i]] = true
    ends[#ends + 1] = { owner = owners[i], ticket = ARGV[at], field = fields[i], record = records[i], told = true,
      fence = ARGV[at + 1], number = ARGV[at + 2], final = final, reason = reason, own = own,
      by_result = layout.runner_of(records[i]) == caller.node,
      dead = ARGV[at + 3] == 'failed' and ARGV[at + 4] == '1' and 'undecodable' or nil }
  end

  for i = 1, #fields do
    local at, owner = first + (i - 1) * ITEM, owners[i]
    local fence, kind, payload, own = ARGV[at + 1], ARGV[at + 3], ARGV[at + 5], owner == caller.node
    if ended[fields[i]] or not is_held_by(records[i], claims.stamps[i], fence) then
      answers[i] = 'LOST'
    elseif kind ~= 'chunk' then
      finish(i, at, kind, payload, own)
      answers[i] = accepted(owner)
    elseif own then
      answers[i] = 'OK'
    elseif is_full(owner) then
      finish(i, at, 'failed', NO_ROOM)
      answers[i] = 'OVERFLOW'
    else
      changed[owner] = box_of(owner)
      chunks[#chunks + 1] = { owner = owner, ticket = claims.tickets[i], fence = fence, number = ARGV[at + 2], kind = kind,
        payload = payload, totals = boxes.add(changed[owner], 1, #payload) }
      answers[i] = accepted(owner)
    end
  end

  for _, box in pairs(changed) do
    boxes.keep(box)
  end
  require('lib.end_requests')(ends, chunks, rung)
  return table.concat(answers, ' ')
end

return exact_results
