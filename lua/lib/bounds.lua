-- The most of anything that one call may name or take. `unpack` gives at most about 8,000 values, and some commands get two
-- or three for each ticket. The client's own bounds (src/protocol/wire.ts) are no higher.
--
-- GIVES  ITEMS, MS, TICK, ROOMY
-- WRITES nothing
local bounds = {}
-- tickets of one call; a time or a duration in ms, 34 years
bounds.ITEMS, bounds.MS = 1000, 1099511627776
-- the last tick that is followed (shard.lua); a mailbox with more than this share of its room left hears of what it gets
bounds.TICK, bounds.ROOMY = 4503599627370496, 0.9
return bounds
