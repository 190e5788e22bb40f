/**
 * Makes one text of a Lua script and its helpers, as Redis gets it.
 *
 * Redis keeps nothing between two calls of a script: each makes all functions anew, and Lua makes an object for each
 * variable of an outer function that one of them uses. That was a quarter of Redis' work for a call of one request. So
 * constants are written out, rarely used helpers are made when they are called, and all that follows the names of the
 * arguments is one function, as variables of an enclosing function are found faster.
 */
import { SchedulerError } from '../base/errors.ts';

type Sources = Readonly<Record<string, string>>;

export function scriptError(message: string): SchedulerError {
  return new SchedulerError('SCRIPT', 'assemble', message);
}

/** Names on the lines of that kind: `INCLUDE a b`, helpers that are needed; `DEFER a b`, those needed in rare calls. */
function namesOf(kind: 'INCLUDE' | 'DEFER', source: string): string[] {
  return [...source.matchAll(new RegExp(`^-- ${kind} (.*)$`, 'gm'))].flatMap((match) => match[1]!.split(' '));
}

/** Helpers that only give names to keys and arguments. */
const BINDS = /^-- (KEYS|ARGV)\[/m;

/**
 * Every helper that the source needs, each once, before the first that needs it, and the source. A deferred helper `x`
 * defines a function `x`, and is inside of one of that name, with what only it needs.
 */
export function assembleText(source: string, helpers: Sources): string {
  const [bindings, parts] = neededBy('a script', source, new Set(), helpers);
  if (parts.length === 0) return [...bindings, source].join('\n');
  return [...bindings, 'return (function()', ...parts, source, 'end)()'].join('\n');
}

/** The helpers that a source needs beside those that are there already: `there` grows by them. */
function neededBy(
  name: string,
  source: string,
  there: Set<string>,
  helpers: Sources,
  path: readonly string[] = [],
): [bindings: string[], parts: string[]] {
  const bindings: string[] = [];
  const parts: string[] = [];
  const visit = (helper: string, deferred: boolean): void => {
    if (path.includes(helper))
      throw scriptError(`helpers include each other: ${[...path, helper].join(' > ')}`);
    if (there.has(helper)) return;
    const text = helpers[helper];
    if (text === undefined) throw scriptError(`no helper named ${helper} (included by ${name})`);
    const known = deferred ? new Set(there) : there;
    const [names, needed] = neededBy(helper, text, known, helpers, [...path, helper]);
    there.add(helper);
    bindings.push(...names);
    if (deferred) {
      parts.push(`local ${helper} = function(...)`, ...needed, text, `return ${helper}(...)`, 'end');
    } else {
      parts.push(...needed);
      (BINDS.test(text) ? bindings : parts).push(text);
    }
  };
  for (const helper of namesOf('INCLUDE', source)) visit(helper, false);
  for (const helper of namesOf('DEFER', source)) visit(helper, true);
  return [bindings, parts];
}

const CONSTANTS = /^local ([A-Z][A-Z_]*(?:, [A-Z][A-Z_]*)*) = (.+)$/gm;
const VALUE = /^(?:\d+|'[^']*'|KEYS\[\d+\])$/;
const TOKEN = /'[^'\n]*'|--.*|\b[A-Z][A-Z_]*\b/g;

/** Writes out what `local NAME = 1`, `'text'` or `KEYS[1]` names, wherever it stands: names in capitals are constants. */
export function writeOutConstants(text: string): string {
  const values = new Map<string, string>();
  const rest = text.replace(CONSTANTS, (line, names: string, list: string) => {
    const found = list.split(', ');
    if (!found.every((value) => VALUE.test(value))) return line;
    for (const [i, name] of names.split(', ').entries()) {
      if ((values.get(name) ?? found[i]) !== found[i]) throw scriptError(`two constants are named ${name}`);
      values.set(name, found[i]!);
    }
    return '';
  });
  return rest.replace(TOKEN, (token) => values.get(token) ?? token);
}
