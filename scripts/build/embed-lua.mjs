// Writes src/redis/lua.generated.ts: every file of lua/ as a string, so that the library reads no file at run
// time (a bundler would lose the path). The generated file is not committed; npm scripts make it.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

const root = new URL('../../', import.meta.url);
const read = (folder) =>
  readdirSync(new URL(folder, root))
    .filter((file) => file.endsWith('.lua'))
    .sort()
    .map((file) => [file.slice(0, -4), readFileSync(new URL(folder + file, root), 'utf8')]);

const table = (name, entries) =>
  `export const ${name}: Readonly<Record<string, string>> = ${JSON.stringify(Object.fromEntries(entries), null, 2)};\n`;

writeFileSync(
  new URL('src/redis/lua.generated.ts', root),
  `// Generated from lua/ by scripts/build/embed-lua.mjs; do not edit.\n${table('scriptSources', read('lua/'))}${table('helperSources', read('lua/lib/'))}`,
);
