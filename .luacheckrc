-- What Redis' dialect is: Lua 5.1 with the arguments of a script. `require` is for editors and luacheck: the assembler
-- puts the helper in its place (scripts/lib/lua/assemble.ts).
std = 'lua51'
read_globals = { 'redis', 'KEYS', 'ARGV' }
-- Lua 5.1 has them, Redis does not
not_globals = { 'io', 'os', 'print', 'module', 'package', 'dofile', 'loadfile' }
max_line_length = 125
