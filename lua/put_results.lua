-- Delivers results of claims that the caller still holds: many chunks at once in frames, one for each owner; finals, and
-- chunks of claims that are not known to stand, one by one (lib/exact_results.lua).
--
-- No frame is looked into, and no record read for it. Its claims were granted or checked before, and `calls` tells of each
-- that was taken away since (lib/take_away.lua). That holds only if the caller knows the shard's history: the last grant
-- is the one that it names (mark), or the one before, as it may not have heard of the last; and the last call of the lane is
-- the one whose answer it has. Else frames are answered DOUBT, and nothing is done: the caller sends the same number once
-- more, all one by one. That makes a new mark, and no claim is known to stand but those that this call has checked. FULL: an
-- owner has no room for a frame, and nothing is done; one by one tells which chunk is beyond.
--
-- ARGV[14] max_results  chunks of one owner that may wait in the shard
-- ARGV[15] max_bytes    bytes of chunks of one owner that may wait; the one that goes beyond is the last
-- ARGV[16] terms        form (1 hex digit: which form of the call with this number it is), last (12 hex digits: number of
--                       the last call on this lane whose answer the caller has), mark (14), carried (4: an entry of at
--                       most so many bytes goes with the wake-up, if little waits and its owner need not ask anyway)
-- ARGV[17] groups       how many. They follow, two arguments each: intro (14, as the caller knows it), count of chunks (4
--                       hex digits), owner; and the frame (lib/cut.lua), empty if the owner is the caller
-- ARGV[18..] ticket fence number kind dead payload  of each other result, behind the groups. number: 8 hex digits, from 1;
--                       kind: chunk, finished, done (finished without an output), failed; dead: 1: its runner could not
--                       decode it, and it is kept in `dead` whatever its owner wants
-- RETURNS status, tick, and in one: form, mark, count (4 hex digits) and fences of claims that were taken away; per group k,
--         or o (its owner is silent), and the intro; per other result and joined by ' ': OK, ORPHAN (accepted, but the owner
--         is silent), LOST (the fence holds the request no longer), OVERFLOW (its owner had no room: it has failed)
-- STATUS OK DOUBT FULL ORPHAN LOST OVERFLOW
-- COST   O(groups + n log out)
-- WRITES nothing
local usual_frames = require('lib.usual_frames')
local reply = usual_frames()
if reply then
  return reply
end
return require('lib.any_results')()
