/**
 * The guards of a Lua source, found mechanically, and what the source is without each: a condition that never or always
 * holds, an `and` / `or` without one of its sides, a `min` / `max` without one of its bounds.
 */
import { squeeze, type Mutant } from '../mutant.ts';
import { expressionsOf, tokensOf, type Expression, type Token } from './tokens.ts';

export interface LuaMutant extends Mutant {
  /** The whole source with the replacement. */
  source: string;
  /** Without it the mutant does the same as its source. */
  shows: Sight;
}

/**
 * A value that is met at a place of the source: of an operand (whether it holds, or `any`), or of a call of `min` or `max` (that it
 * is not its argument of this number, from 1).
 */
export interface Sight {
  /** Characters of the source, from the one up to the other. */
  from: number;
  to: number;
  value: 'holds' | 'fails' | 'any' | number;
}

export function mutantsOf(file: string, source: string): LuaMutant[] {
  const tokens = tokensOf(source);
  const mutants = new Map<string, LuaMutant>();
  const replace = ([from, to]: Range, after: string, of: Range, value: Sight['value']): void => {
    const [start, end] = [tokens[from]!.from, tokens[to - 1]!.to];
    const before = source.slice(start, end);
    if (before === after) return;
    const mutated = source.slice(0, start) + after + source.slice(end);
    const shows = { from: tokens[of[0]]!.from, to: tokens[of[1] - 1]!.to, value };
    const line = source.slice(0, start).split('\n').length;
    const change = { before: squeeze(before), after: squeeze(after) };
    mutants.set(mutated, { file, within: '', line, ...change, source: mutated, at: start, shows });
  };
  const textOf = (from: number, to: number): string => source.slice(tokens[from]!.from, tokens[to - 1]!.to);
  for (const { sides, connective, isTruth } of expressionsOf(tokens).flatMap((one) =>
    chainsOf(tokens, one),
  )) {
    const all: Range = [sides[0]![0], sides.at(-1)![1]];
    sides.forEach((side, without) => {
      const rest = sides.filter((_side, i) => i !== without).map((one) => textOf(...one));
      // what goes on to the next side is what it would be without this one, but for the value of the last
      const decides = connective === 'and' ? 'fails' : 'holds';
      const isValue = without === sides.length - 1 && !isTruth;
      // what it does may matter, whatever it gives
      const does = textOf(...side).includes('require(');
      replace(all, rest.join(` ${connective} `), side, isValue || does ? 'any' : decides);
    });
  }
  for (const range of conditionsOf(tokens)) {
    replace(range, 'false', range, 'holds');
    replace(range, 'true', range, 'fails');
  }
  for (const { from, to, argumentsOf } of boundsOf(tokens)) {
    argumentsOf.forEach((argument, i) => replace([from, to], textOf(...argument), [from, to], i + 1));
  }
  return [...mutants.values()].sort((a, b) => a.line - b.line);
}

type Range = [from: number, to: number];

/** Conditions of `if` and `elseif`. A loop's would run for ever or not at all. */
function conditionsOf(tokens: readonly Token[]): Range[] {
  return tokens.flatMap(({ text, kind }, i): Range[] => {
    if (kind !== 'word' || !['if', 'elseif'].includes(text)) return [];
    return [[i + 1, tokens.findIndex((token, at) => at > i && token.text === 'then')]];
  });
}

/** Token ranges between the given connective, at the expression's own depth. */
function split(tokens: readonly Token[], { from, to }: { from: number; to: number }, by: string): Range[] {
  const parts: Range[] = [];
  let depth = 0;
  let start = from;
  for (let i = from; i < to; i += 1) {
    const { text } = tokens[i]!;
    if (['(', '{', '['].includes(text)) depth += 1;
    if ([')', '}', ']'].includes(text)) depth -= 1;
    if (depth > 0 || text !== by) continue;
    parts.push([start, i]);
    start = i + 1;
  }
  return [...parts, [start, to]];
}

interface Chain {
  connective: 'and' | 'or';
  sides: Range[];
  /** Only whether it holds matters, not what it is. */
  isTruth: boolean;
}

/** The `and`s and `or`s of an expression that may be guards. */
function chainsOf(tokens: readonly Token[], expression: Expression): Chain[] {
  const ors = split(tokens, expression, 'or');
  const ands = ors.map(([from, to]) => split(tokens, { from, to }, 'and')).filter(({ length }) => length > 1);
  // of a value, `a and b or c` is a choice between two, `a or 0` a default and `a = a or f()` a memory: no guards
  const [last] = ors.at(-1)!;
  const isDefault = ['literal', 'word'].includes(tokens[last]!.kind) || tokens[last]!.text === '{';
  if (
    expression.role === 'value' &&
    ors.length > 1 &&
    (ands.length > 0 || isDefault || isMemory(tokens, ors))
  )
    return [];
  const isTruth = expression.role === 'condition' && !isCompared(tokens, expression);
  return [
    ...(ors.length > 1 ? [{ connective: 'or' as const, sides: ors, isTruth }] : []),
    ...ands.map((sides) => ({ connective: 'and' as const, sides, isTruth })),
  ];
}

/** Whether more is made of an expression in a condition than a choice. */
function isCompared(tokens: readonly Token[], { from, to }: { from: number; to: number }): boolean {
  let [before, after] = [from - 1, to];
  while (tokens[before]?.text === '(' && tokens[after]?.text === ')')
    [before, after] = [before - 1, after + 1];
  const isBegun = ['if', 'elseif', 'while', 'until', 'and', 'or', 'not'].includes(tokens[before]?.text ?? '');
  return !isBegun || !['then', 'do', 'and', 'or', ')'].includes(tokens[after]?.text ?? '');
}

/** `a = a or f()`: computed once. */
function isMemory(tokens: readonly Token[], ors: readonly Range[]): boolean {
  const [from, to] = ors[0]!;
  const length = to - from;
  if (tokens[from - 1]?.text !== '=' || from < length + 1) return false;
  return Array.from(
    { length },
    (_, i) => tokens[from + i]!.text === tokens[from - 1 - length + i]!.text,
  ).every(Boolean);
}

/** Calls of min and max, and what each of their arguments is. */
function boundsOf(tokens: readonly Token[]): { from: number; to: number; argumentsOf: Range[] }[] {
  return tokens.flatMap(({ text, kind }, i) => {
    if (kind !== 'name' || !['min', 'max'].includes(text) || tokens[i + 1]?.text !== '(') return [];
    let end = i + 2;
    for (let depth = 1; depth > 0; end += 1) {
      if (tokens[end]!.text === '(') depth += 1;
      if (tokens[end]!.text === ')') depth -= 1;
    }
    const from = tokens[i - 1]?.text === '.' ? i - 2 : i;
    return [{ from, to: end, argumentsOf: split(tokens, { from: i + 2, to: end - 1 }, ',') }];
  });
}
