-- What a claim asks for: the arguments that it gets after those of caller.lua.
--
-- ARGV[14] limit        most tickets; no more than bounds.ITEMS are taken
-- ARGV[15] alone_tokens most tokens of the call's first ticket
-- ARGV[16] sum_tokens   most tokens of all tickets, if there are several
-- ARGV[17] total_tokens most tokens of a ticket that the caller's engine can ever hold
-- ARGV[18] max_bytes    no body is added beyond, but for the first
-- ARGV[19] since        arrival from which own tickets' bodies are in the caller's memory, us, 14 hex digits
-- ARGV[20] idle_for     ms for which the caller is believed idle if it gets nothing
-- ARGV[21] entropy      integer that seeds the choice of the lucky peer
-- ARGV[22] patience     ms after which room is kept for a ticket that does not fit
-- ARGV[23] keep_for     ms for which the caller then keeps it without asking again; 0: it keeps room for none
-- ARGV[24] ask_on       what the last answer named, to look on from there; 0: a new search
-- ARGV[25] elsewhere    most tokens of a ticket that another living engine of the topic can ever hold; -1: none lives, as
--                       far as the caller knows
--
-- WRITES nothing
local bounds = require('lib.bounds')
local min = math.min
local wanted = {}
wanted.limit, wanted.alone_tokens = min(bounds.ITEMS, tonumber(ARGV[14])), tonumber(ARGV[15])
wanted.sum_tokens, wanted.total_tokens, wanted.max_bytes = tonumber(ARGV[16]), tonumber(ARGV[17]), tonumber(ARGV[18])
wanted.since, wanted.idle_for, wanted.entropy = ARGV[19], tonumber(ARGV[20]), tonumber(ARGV[21])
wanted.patience, wanted.keep_for, wanted.ask_on = tonumber(ARGV[22]), tonumber(ARGV[23]), tonumber(ARGV[24])
wanted.elsewhere = tonumber(ARGV[25])
assert(wanted.limit >= 0 and wanted.limit % 1 == 0 and wanted.alone_tokens >= 0 and wanted.sum_tokens >= 0
  and wanted.total_tokens >= 0 and wanted.max_bytes >= 0 and #wanted.since == 14
  and wanted.idle_for >= 0 and wanted.idle_for <= bounds.MS and wanted.entropy >= 0 and wanted.patience >= 0
  and wanted.keep_for >= 0 and wanted.keep_for <= bounds.MS and wanted.ask_on >= 0 and wanted.ask_on % 1 == 0
  and wanted.elsewhere >= -1,
  'an argument is out of its range')
return wanted
