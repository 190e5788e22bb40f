-- Delivers results of claims that the caller still holds. They are appended to the owner's mailbox, unless the owner is the
-- caller. A final ends the request, and is always accepted; a failed one is kept in `dead` if the owner wants that. A chunk
-- that its owner has no room for ends the request as failed, and the owner gets that final in the place of the chunk.
--
-- ARGV[14] max_results  results of one owner that may wait in the shard
-- ARGV[15..] ticket fence number kind dead payload  number: 8 hex digits, from 1; kind: chunk, finished, done (finished
--                       without an output), failed; dead: 1: its runner could not decode it, and it is kept in `dead`
--                       whatever its owner wants
-- RETURNS status, tick, per result and joined by ' ': OK, ORPHAN (accepted, but the owner is silent), LOST (the fence
--         holds the request no longer), OVERFLOW (a chunk that its owner had no room for: the request has failed)
-- STATUS OK ORPHAN LOST OVERFLOW
-- COST   O(n log out)
-- WRITES nothing
local caller = require('lib.caller')
local end_requests = require('lib.end_requests')
local enter = require('lib.enter')
local is_held_by = require('lib.is_held_by')
local leave = require('lib.leave')
local named = require('lib.named')
local shard = require('lib.shard')
local tables = require('lib.tables')
local call, format = redis.call, string.format
local max_results = tonumber(ARGV[14])
local FIRST, WIDTH = 15, 6
local NO_ROOM = 'its owner has no room for more results (option maxResults)'
local KINDS = { chunk = true, finished = true, done = true, failed = true }
local claims = named(FIRST, WIDTH, (#ARGV - FIRST + 1) / WIDTH)
local fields, owners = claims.fields, claims.owners
assert(max_results >= 0, 'max_results is no number')
for at = FIRST, #ARGV, WIDTH do
  assert(#ARGV[at + 2] == 8 and KINDS[ARGV[at + 3]], 'a result without number or kind')
end
local refused = enter('result')
if refused then
  return refused
end

local unread, words = {}, {}
local records = call('HMGET', tables.REQUEST, unpack(fields))

local function is_full(owner)
  unread[owner] = unread[owner] or call('ZLEXCOUNT', tables.OUT, '[' .. owner .. '|', '(' .. owner .. '}')
  return unread[owner] >= max_results
end

local function accepted(owner)
  if owner == caller.node then
    return 'OK'
  end
  words[owner] = words[owner] or tonumber(call('ZSCORE', tables.NODE, owner) or 0) < shard.now and 'ORPHAN' or 'OK'
  return words[owner]
end

local answers, chunks, ends, ended = {}, {}, {}, {}

local function finish(i, at, final, reason, own)
  ended[fields[i]] = true
  ends[#ends + 1] = { owner = owners[i], ticket = ARGV[at], field = fields[i], record = records[i], told = true,
    fence = ARGV[at + 1], number = ARGV[at + 2], final = final, reason = reason, own = own,
    dead = ARGV[at + 3] == 'failed' and ARGV[at + 4] == '1' and 'undecodable' or nil }
end

for i = 1, #fields do
  local at = FIRST + (i - 1) * WIDTH
  local ticket, fence, kind, payload, owner = claims.tickets[i], ARGV[at + 1], ARGV[at + 3], ARGV[at + 5], owners[i]
  local own = owner == caller.node
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
    unread[owner] = unread[owner] + 1
    chunks[#chunks + 1] = { owner = owner, ticket = ticket, fence = fence, number = ARGV[at + 2], kind = kind,
      payload = payload }
    answers[i] = accepted(owner)
  end
end

end_requests(ends, chunks)
return leave('result', { 'OK', format('%014x', shard.tick), table.concat(answers, ' ') })
