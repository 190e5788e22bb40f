-- Notes that a topic is on this server, for those who look for topics: nobody walks over all keys for that. The list is one
-- of the server, and has at most 1,000 topics: those that were noted last. A topic that nobody notes again goes by itself.
--
-- KEYS[1] topics zset   topic -> ms until which it is listed
--
-- ARGV[1] topic
-- ARGV[2] clock         ms that stand for the server's time in tests; empty: the server's own time
-- ARGV[3] keep          ms for which it is listed
-- RETURNS status
-- STATUS OK
-- COST   O(log topics)
-- WRITES topics
local bounds = require('lib.bounds')
local call, floor, format = redis.call, math.floor, string.format
local TOPICS, topic, clock, keep = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local MOST_NAME, BEYOND = 128, '-1001'
assert(#topic >= 1 and #topic <= MOST_NAME and keep >= 1 and keep <= bounds.MS, 'an argument is out of its range')
local time = call('TIME')
local now = clock == '' and floor(time[1] * 1000 + time[2] / 1000) or tonumber(clock)
-- the first write is one that is allowed over maxmemory: it opens the rest of the script
call('ZREMRANGEBYSCORE', TOPICS, '-inf', format('%d', now))
call('ZADD', TOPICS, 'GT', format('%d', now + keep), topic)
call('ZREMRANGEBYRANK', TOPICS, '0', BEYOND)
call('PEXPIREAT', TOPICS, call('ZRANGE', TOPICS, '-1', '-1', 'WITHSCORES')[2])
return { 'OK' }
