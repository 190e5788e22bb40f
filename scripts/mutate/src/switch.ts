/** What stands in mutated sources: it says which mutant holds, and notes which ones were come by. */

/** The name of the function. */
export const SWITCH = 'sched_lua_mutant';

/** Number of the mutant that holds in a process and in those that it starts; unset: none. */
export const HOLDS = 'SCHED_LUA_MUTANT';

/** A file to which every process adds the numbers that it comes by, a line each; unset: none is noted. */
export const REACHED = 'SCHED_LUA_MUTANTS_REACHED';

/** The global array of the numbers that this process has noted. */
export const NOTED = 'sched_lua_mutants_noted';

/** Goes before a source, on the line of its first: in modules, in bundles of either format, and in workers. */
export const PREAMBLE =
  `globalThis.${SWITCH} ??= (() => { ` +
  `const holds = Number(process.env.${HOLDS} ?? -1), file = process.env.${REACHED} ?? '', ` +
  `fs = process.getBuiltinModule('node:fs'), noted = globalThis.${NOTED} = []; ` +
  `if (file === '') return (number) => number === holds; ` +
  `return (number) => { if (!noted[number]) { noted[number] = true; fs.appendFileSync(file, number + '\\n'); } return false; }; ` +
  `})(); const ${SWITCH} = globalThis.${SWITCH}; `;
