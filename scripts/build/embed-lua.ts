/**
 * `npm run embed`: writes src/redis/lua.generated.ts, every script as Redis gets it, so that the library neither reads a
 * file nor assembles one at run time. The generated file is not committed; npm scripts make it.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { compileAll, embed } from '../lib/lua/compile.ts';

const table = JSON.stringify(embed(compileAll()), null, 2);
const file = new URL('../../src/redis/lua.generated.ts', import.meta.url);
const text = `// Generated from lua/ by scripts/build/embed-lua.ts; do not edit.
export const embedded: Readonly<Record<string, { text: string; origins: string }>> = ${table};
`;
// one that has not changed keeps its time: nothing is built anew for it
if (!existsSync(file) || readFileSync(file, 'utf8') !== text) writeFileSync(file, text);
