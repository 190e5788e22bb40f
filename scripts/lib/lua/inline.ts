/**
 * Writes out short helpers where they are called: a function whose body is `return` and one expression, at the start of a
 * line. A call costs Lua more than most of these expressions, and Redis makes every function of a script anew in each run.
 * Where the meaning would not stay the same the call stays: over several lines, as a statement, with another number of
 * arguments, with a call as an argument that the expression has twice, or where a name of the expression means another
 * variable. A function that is not called any more is left out.
 */
import type { Line } from './module.ts';

interface Expression {
  readonly parameters: readonly string[];
  readonly text: string;
}

const DEFINED = /^local function (\w+)\(([\w, ]*)\)$/;
const RETURNS = /^ {2}return (.+)$/;
/** A text, a number, or a name that is no field of another. */
const TOKEN = /'[^'\n]*'|\b\d[\w.]*|(?<![\w.])[A-Za-z_]\w*/g;
/** Names that a line declares: those at its start, and within a function or a loop. */
const OUTER = /^local ([\w, ]+) = /;
const INNER = /^\s+local ([\w, ]+?) (?:=|in) |^\s*for ([\w, ]+?) (?:=|in) |function \w*\(([\w, ]+)\)/;
/** What needs no parentheses around it as an operand. */
const OPERAND = /^(?:[\w.]+|'[^']*')$/;
const CALL = /^[\w.]+\(.*\)$/;

export function inline(lines: readonly Line[]): Line[] {
  const variables = ambiguous(lines);
  const known = new Map<string, Expression>();
  const written: Line[] = [];
  for (const line of lines) {
    const text = writeOut(line.text, known);
    const [, name, parameters] = DEFINED.exec(written.at(-2)?.text ?? '') ?? [];
    const [, expression] = text === 'end' ? (RETURNS.exec(written.at(-1)!.text) ?? []) : [];
    written.push({ ...line, text });
    if (name === undefined || expression === undefined) continue;
    const found = { parameters: parameters === '' ? [] : parameters!.split(', '), text: expression };
    if (isClosed(expression) && !namesIn(found).some((one) => variables.has(one))) known.set(name, found);
  }
  return withoutUncalled(written, [...known.keys()]);
}

/** Names that do not mean the same variable everywhere. */
function ambiguous(lines: readonly Line[]): Set<string> {
  const names = (pattern: RegExp): string[] =>
    lines.flatMap(({ text }) => (pattern.exec(text)?.slice(1).find(Boolean) ?? '').split(', '));
  const outer = names(OUTER);
  return new Set([...names(INNER), ...outer.filter((name, i) => outer.indexOf(name) !== i)]);
}

/** Whether it is one expression, whole in its line, without a function or names that are keys of a table. */
function isClosed(text: string): boolean {
  return !/\bfunction\b|\{/.test(text) && partsOf(text)?.length === 1;
}

/** The names in an expression that are not its parameters. */
function namesIn({ parameters, text }: Expression): string[] {
  return (text.match(TOKEN) ?? []).filter((token) => /^[A-Za-z_]/.test(token) && !parameters.includes(token));
}

function writeOut(text: string, known: ReadonlyMap<string, Expression>): string {
  let from = 0;
  for (;;) {
    const call = nextCall(text, from, known);
    if (!call) return text;
    const inside = call.arguments && expand(call.expression, call.arguments, call.isStatement);
    if (inside === undefined) from = call.at + 1;
    else text = text.slice(0, call.at) + inside + text.slice(call.end);
  }
}

function nextCall(text: string, from: number, known: ReadonlyMap<string, Expression>) {
  for (const { 0: name, index: at } of text.matchAll(TOKEN)) {
    const open = at + name.length;
    const expression = known.get(name);
    if (!expression || at < from || text[open] !== '(' || text.startsWith('local function')) continue;
    const inside = insideOf(text, open);
    const end = open + (inside?.length ?? 0) + 2;
    const isStatement = text.slice(0, at).trim() === '';
    return {
      at,
      end,
      expression,
      isStatement,
      arguments: inside === undefined ? undefined : partsOf(inside),
    };
  }
  return undefined;
}

/** What stands between this parenthesis and its other; undefined: that is not in the line. */
function insideOf(text: string, open: number): string | undefined {
  let depth = 0;
  for (const { 0: token, index } of text.matchAll(/'[^'\n]*'|[()]/g)) {
    if (index < open || token.startsWith("'")) continue;
    depth += token === '(' ? 1 : -1;
    if (depth === 0) return text.slice(open + 1, index);
  }
  return undefined;
}

/** What commas outside of parentheses divide; undefined: a parenthesis is open at the end. */
function partsOf(text: string): string[] | undefined {
  if (text === '') return [];
  const parts = [''];
  let depth = 0;
  for (const token of text.match(/'[^'\n]*'|[^']/g) ?? []) {
    if (/^[([{]$/.test(token)) depth += 1;
    if (/^[)\]}]$/.test(token)) depth -= 1;
    if (token === ',' && depth === 0) parts.push('');
    else parts.push(parts.pop()! + token);
  }
  return depth === 0 ? parts.map((part) => part.trim()) : undefined;
}

/** The expression with these arguments; undefined: the call must stay. */
function expand(
  { parameters, text }: Expression,
  given: readonly string[],
  isStatement: boolean,
): string | undefined {
  const isCall =
    CALL.test(text) && insideOf(text, text.indexOf('('))?.length === text.length - text.indexOf('(') - 2;
  if (given.length !== parameters.length || (isStatement && !isCall)) return undefined;
  const used = parameters.map((name) => (text.match(TOKEN) ?? []).filter((token) => token === name).length);
  if (given.some((argument, i) => used[i] !== 1 && argument.includes('('))) return undefined;
  const values = new Map(
    parameters.map((name, i) => [name, OPERAND.test(given[i]!) ? given[i]! : `(${given[i]!})`]),
  );
  const inside = text.replace(TOKEN, (token) => values.get(token) ?? token);
  return isCall ? inside : `(${inside})`;
}

function withoutUncalled(lines: readonly Line[], names: readonly string[]): Line[] {
  const calls = lines
    .filter(({ text }) => !DEFINED.test(text))
    .flatMap(({ text }) => text.match(TOKEN) ?? []);
  const called = new Set(calls);
  const gone = new Set(names.filter((name) => !called.has(name)));
  const begins = lines.flatMap(({ text }, i) => (gone.has(DEFINED.exec(text)?.[1] ?? '') ? [i] : []));
  const left = new Set(begins.flatMap((i) => [i, i + 1, i + 2]));
  return lines.filter((_, i) => !left.has(i));
}
