-- The twelve tables of one shard. Every shard script gets these KEYS in this order. They share the hash tag
-- {topic.suffix}, which the client makes of the shard's number, so a script touches one slot. A ticket is
-- owner|order|tokens|deadline|id; layout.lua reads it.
--
-- KEYS[1] waiting zset  tickets, every score 0; an owner's queue is the range [owner| .. (owner}
-- KEYS[2] head zset     owner -> order of its first waiting ticket
-- KEYS[3] load zset     owner -> number of its waiting tickets, or sum of their tokens; absent at 0
-- KEYS[4] request hash  owner|id -> order|tokens|deadline|wish|tries_left|tries_spent|bytes|arrival, and |fence|runner while
--                       claimed; then, of each node that gave or lost it, /until, count, e, - or l, node, and ~reason
--                       (pauses.lua)
-- KEYS[5] body hash     owner|id -> payload, until the request has ended
-- KEYS[6] due zset      ticket -> ms when the shard must look at it: deadline, or min(lease end, deadline)
-- KEYS[7] out zset      every score 0, owner|tick| and then: of a result ticket length, ticket, fence, number, kind, of a
--                       chunk totals (boxes.lua), of a final its story behind its length (post.lua), payload; of many
--                       chunks F, totals, their count (4 hex digits), frame (cut.lua)
-- KEYS[8] node zset     node -> alive until, ms
-- KEYS[9] idle zset     runner -> until when it is believed idle, ms
-- KEYS[10] calls hash   node -> epoch; node|lane -> number of the last call and its answer; node|asks -> when it said that
--                       it claims, ms, or never; node|room -> tokens that it has room for, as it said when it got nothing;
--                       node|held -> its mark, and the one before (put_results.lua); node|taken -> fences of claims that
--                       were taken away from it (take_away.lua); node|box -> what waits in its mailbox (boxes.lua)
-- KEYS[11] shard hash   tick, visited (ms of the last claim or refresh), grace (ms), expiry (ms), ttl (ms: the longest
--                       that any caller gave), schema, kept: runner|until|ticket, who keeps room for it, fronts (ms until
--                       which there may be some), patrol (cursor)
-- KEYS[12] dead stream  requests given up: ticket, kind (lost, undecodable, failed, expired), error (the last), spent
--                       (tries), nodes (that had it, joined by ' '), bytes, body
--
-- WRITES nothing
local tables = {}
tables.WAITING, tables.HEAD, tables.LOAD, tables.REQUEST, tables.BODY = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
tables.DUE, tables.OUT, tables.NODE, tables.IDLE, tables.CALLS = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
tables.SHARD, tables.DEAD = KEYS[11], KEYS[12]
return tables
