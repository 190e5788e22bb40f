/**
 * Makes one text of a Lua script and the helpers it requires, as Redis gets it: Redis has no `require`.
 *
 * Redis keeps nothing between two calls of a script: each makes all functions anew, and Lua makes an object for each
 * variable of an outer function that one of them uses. That was a quarter of Redis' work for a call of one request. So
 * fields of helpers are variables, constants are written out, rarely used helpers are made when they are called, and all
 * that follows the names of the arguments is one function, as variables of an enclosing function are found faster.
 */
import { readModule, scriptError, type Line, type LuaModule, type Requirement } from './module.ts';

export { scriptError, type Line };

type Sources = Readonly<Record<string, string>>;

const plain = (text: string): Line => ({ text, file: '', line: 0 });

const CONSTANTS = /^local ((?:[a-z]+_)?[A-Z][A-Z_]*(?:, (?:[a-z]+_)?[A-Z][A-Z_]*)*) = (.+)$/;

/** Helpers that only give names, to keys and arguments or to constants. */
const isBinding = ({ lines }: LuaModule): boolean =>
  lines.some(({ text }) => /^-- (KEYS|ARGV)\[/.test(text)) ||
  lines.every(({ text }) => CONSTANTS.test(text) || text === '' || text.startsWith('--'));

/**
 * The lines of a script with every helper that it needs, each once, before the first that needs it. A deferred helper `x`
 * defines a function `x`, and is inside of one of that name, with what only it needs.
 *
 * @param name of the script
 * @throws SchedulerError SCRIPT if a helper is missing, requires itself, or does not give what is used of it
 */
export function assembleLines(name: string, source: string, helpers: Sources): Line[] {
  const modules = new Map<string, LuaModule>();
  const script = readModule(`${name}.lua`, source);
  const [bindings, parts] = neededBy(script, new Set(), { helpers, modules });
  const all = [...modules.values(), script];
  for (const module of all) checkUses(module, modules);
  const head = [...aliasesOf(all), ...bindings];
  if (parts.length === 0) return [...head, ...script.lines];
  return [...head, plain('return (function()'), ...parts, ...script.lines, plain('end)()')];
}

/** The text of {@link assembleLines}. */
export function assembleText(name: string, source: string, helpers: Sources): string {
  return textOf(assembleLines(name, source, helpers));
}

export function textOf(lines: readonly Line[]): string {
  return lines.map(({ text }) => text).join('\n');
}

interface Helpers {
  helpers: Sources;
  /** Those that have been read. */
  modules: Map<string, LuaModule>;
}

/** The helpers that a module needs beside those that are there already: `there` grows by them. */
function neededBy(
  module: LuaModule,
  there: Set<string>,
  all: Helpers,
  path: readonly string[] = [],
): [bindings: Line[], parts: Line[]] {
  const bindings: Line[] = [];
  const parts: Line[] = [];
  const visit = (requirement: Requirement, isDeferred: boolean): void => {
    const { helper } = requirement;
    if (path.includes(helper))
      throw scriptError(`helpers require each other: ${[...path, helper].join(' > ')}`);
    if (there.has(helper)) return;
    const found = find(requirement, all);
    const known = isDeferred ? new Set(there) : there;
    const [names, needed] = neededBy(found, known, all, [...path, helper]);
    there.add(helper);
    bindings.push(...names);
    if (isDeferred) {
      if (found.fields)
        throw scriptError(`lua/${requirement.file}:${requirement.line}: ${helper} is no function`);
      parts.push({ ...requirement, text: `local ${helper} = function(...)` }, ...needed, ...found.lines);
      parts.push(plain(`return ${helper}(...)`), plain('end'));
    } else {
      (isBinding(found) ? bindings : parts).push(...needed, ...found.lines);
    }
  };
  for (const requirement of module.required) visit(requirement, false);
  for (const requirement of module.deferred) visit(requirement, true);
  return [bindings, parts];
}

function find({ helper, file, line }: Requirement, { helpers, modules }: Helpers): LuaModule {
  const known = modules.get(helper);
  if (known) return known;
  const source = helpers[helper];
  if (source === undefined) throw scriptError(`no helper named ${helper} (required by lua/${file}:${line})`);
  const found = readHelper(helper, source);
  modules.set(helper, found);
  return found;
}

/** By name and text: most helpers are in many scripts, and reading them takes most of the time of a start. */
const read = new Map<string, LuaModule>();

function readHelper(helper: string, source: string): LuaModule {
  const key = `${helper}\n${source}`;
  let found = read.get(key);
  if (!found) read.set(key, (found = readModule(`lib/${helper}.lua`, source, helper)));
  return found;
}

function checkUses({ uses }: LuaModule, modules: ReadonlyMap<string, LuaModule>): void {
  for (const { helper, field, at } of uses) {
    if (modules.get(helper)?.fields?.has(field)) continue;
    throw scriptError(`lua/${at.file}:${at.line}: lib/${helper}.lua gives no ${field}`);
  }
}

/** One line that names what the files name for themselves. */
function aliasesOf(modules: readonly LuaModule[]): Line[] {
  const values = new Map<string, string>();
  for (const { name, value, at } of modules.flatMap(({ aliases }) => aliases)) {
    const before = values.get(name) ?? value;
    if (before !== value)
      throw scriptError(`lua/${at.file}:${at.line}: ${name} is ${value} here and ${before} elsewhere`);
    values.set(name, value);
  }
  if (values.size === 0) return [];
  return [plain(`local ${[...values.keys()].join(', ')} = ${[...values.values()].join(', ')}`)];
}

const VALUE = /^(?:\d+|'[^']*'|KEYS\[\d+\])$/;
const TOKEN = /'[^'\n]*'|--.*|\b(?:[a-z]+_)?[A-Z][A-Z_]*\b/g;

/**
 * Writes out what `local NAME = 1`, `'text'` or `KEYS[1]` names, wherever it stands: names in capitals are constants.
 * Lines that name nothing else are left out, and so are empty lines and comments: Redis has no use for them.
 */
export function writeOutConstants(lines: readonly Line[]): Line[] {
  const values = new Map<string, string>();
  const rest = lines.filter(({ text }) => {
    const [, names, list] = CONSTANTS.exec(text) ?? [];
    const found = list?.split(', ') ?? [];
    if (names === undefined || !found.every((value) => VALUE.test(value)))
      return !/^\s*(?:--.*)?$/.test(text);
    for (const [i, name] of names.split(', ').entries()) {
      if ((values.get(name) ?? found[i]) !== found[i]) throw scriptError(`two constants are named ${name}`);
      values.set(name, found[i]!);
    }
    return false;
  });
  return rest.map((line) => ({
    ...line,
    text: line.text.replace(TOKEN, (token) => values.get(token) ?? token),
  }));
}
