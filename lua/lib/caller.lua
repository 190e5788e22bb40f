-- The calling node and the topic's rules: the arguments that every shard script gets first.
--
-- ARGV[1] node          name of the calling node
-- ARGV[2] epoch         its epoch, 14 hex digits
-- ARGV[3] seen          highest tick of this shard that the caller has seen, and the us since then; 14 hex digits, 0: none
-- ARGV[4] clock         ms that stand for the server's time in tests; empty: the server's own time
-- ARGV[5] ttl           ms that its requests live without a deadline of their own; the longest of a shard keeps that shard
-- ARGV[6] lease         ms that a claim, and a node's life, last without a refresh
-- ARGV[7] wake          prefix of the nodes' wake-up channels
-- ARGV[8] number        the shard's number, told in wake-ups
-- ARGV[9] policy        lucky, oldest or none
-- ARGV[10] min_load     load from which a peer may be stolen from (min_load_score)
-- ARGV[11] load_unit    what the load counts: requests, or the waiting requests' prompt tokens; one for the whole topic
-- ARGV[12] steal_after  ms after which a peer's head may be stolen whatever its load
-- ARGV[13] lane_call    number of this call on its lane, 12 hex digits; empty: the script has no lane
--
-- WRITES nothing
local bounds = require('lib.bounds')
local caller = {}
caller.node, caller.epoch, caller.seen, caller.clock = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
caller.ttl, caller.lease, caller.wake, caller.number = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7], ARGV[8]
caller.policy, caller.min_load, caller.load_unit = ARGV[9], tonumber(ARGV[10]), ARGV[11]
caller.steal_after, caller.lane_call = tonumber(ARGV[12]), ARGV[13]
assert(#caller.node >= 1 and #caller.node <= 128 and #caller.epoch == 14 and #caller.seen == 14
  and caller.ttl >= 1 and caller.ttl <= bounds.MS and caller.lease >= 1 and caller.lease <= bounds.MS
  and caller.steal_after >= 0 and caller.steal_after <= bounds.MS and caller.min_load >= 0
  and (caller.load_unit == 'requests' or caller.load_unit == 'tokens'), 'an argument of the caller is out of its range')
return caller
