-- The version of the data model, which the client knows as SCHEMA (src/base/keys.ts). A topic of another one is left alone:
-- its keys may have other names. 1 had the shard's number in the keys where 2 has its suffix.
--
-- GIVES  VERSION
-- WRITES nothing
local schema = {}
schema.VERSION = '2'
return schema
