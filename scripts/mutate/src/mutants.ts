/**
 * The decisions of a TypeScript source, found mechanically: every condition forced both ways, an `&&` / `||` without one
 * of its sides, a `Math.min` / `Math.max` without one of its bounds, and every statement that is a call taken out.
 *
 * All mutants of a file are in one text, and a switch that is asked at each place says which of them holds. So the
 * sources are built once, and a run of the tests without any mutant tells which test comes by which of them.
 */
import type TS from 'typescript';
import { ts } from '../../lib/tool/typescript.ts';
import { squeeze, type Mutant } from '../mutant.ts';
import { SWITCH } from './switch.ts';

export interface SrcMutant extends Mutant {
  /** What the switch knows it by. */
  number: number;
}

/** A place in the source, and what may stand there instead. */
interface Place {
  node: TS.Node;
  /** Texts; empty: nothing. */
  instead: string[];
}

/**
 * @param file path from the project's folder
 * @param first number of the first mutant
 */
export function mutantsOf(file: string, source: string, first = 0): { mutants: SrcMutant[]; text: string } {
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true);
  const mutants: SrcMutant[] = [];

  /** The text of a node with switches in it. */
  const textOf = (node: TS.Node): string => {
    const place = placeOf(node);
    const numbers = place?.instead.map((after) => add(node, after)) ?? [];
    let text = '';
    let at = node.getStart(tree);
    node.forEachChild((child) => {
      text += source.slice(at, child.getStart(tree)) + textOf(child);
      at = child.end;
    });
    text += source.slice(at, node.end);
    if (!place) return text;
    if (ts.isExpressionStatement(node)) return `{ if (!${SWITCH}(${numbers[0]!})) ${text} }`;
    const choices = place.instead.map((after, i) => `${SWITCH}(${numbers[i]!}) ? ${after || 'undefined'} : `);
    return `(${choices.join('')}(${text}))`;
  };
  const add = (node: TS.Node, after: string): number => {
    const at = node.getStart(tree);
    const line = tree.getLineAndCharacterOfPosition(at).line + 1;
    const number = first + mutants.length;
    const before = squeeze(node.getText(tree));
    mutants.push({ file, within: functionOf(node), line, at, before, after: squeeze(after), number });
    return number;
  };
  // what stands before the first statement is a comment
  return { text: source.slice(0, tree.getStart()) + textOf(tree), mutants };
}

function placeOf(node: TS.Node): Place | undefined {
  if (isCallStatement(node) || isCallBody(node)) return { node, instead: [''] };
  if (!isExpression(node)) return undefined;
  const instead = new Set<string>();
  const role = roleOf(node);
  if (role) instead.add('false');
  if (role === 'choice') instead.add('true');
  for (const text of [...sidesLeft(node), ...boundsOf(node)]) instead.add(text);
  instead.delete(node.getText());
  return instead.size === 0 ? undefined : { node, instead: [...instead] };
}

const { SyntaxKind: Kind } = ts;
const COMPARISONS = new Set<TS.SyntaxKind>([
  Kind.LessThanToken,
  Kind.LessThanEqualsToken,
  Kind.GreaterThanToken,
  Kind.GreaterThanEqualsToken,
  Kind.EqualsEqualsEqualsToken,
  Kind.ExclamationEqualsEqualsToken,
  Kind.InKeyword,
  Kind.InstanceOfKeyword,
]);

function isExpression(node: TS.Node): node is TS.Expression {
  return ts.isExpression(node) && !ts.isParenthesizedExpression(node);
}

/** The nearest node above that is no pair of parentheses, and what it has of this node. */
function above(node: TS.Node): { parent: TS.Node; child: TS.Node } {
  let child = node;
  while (ts.isParenthesizedExpression(child.parent)) child = child.parent;
  return { parent: child.parent, child };
}

/** `choice`: a condition, or a value that is true or false. `loop`: one that would hold for ever if it always held. */
function roleOf(node: TS.Expression): 'choice' | 'loop' | undefined {
  const { parent, child } = above(node);
  if ((ts.isIfStatement(parent) || ts.isWhileStatement(parent)) && parent.expression === child)
    return ts.isIfStatement(parent) ? 'choice' : 'loop';
  if (ts.isConditionalExpression(parent) && parent.condition === child) return 'choice';
  if ((ts.isForStatement(parent) && parent.condition === child) || ts.isDoStatement(parent)) return 'loop';
  // a part of a condition is none of its own
  return isTruth(node) && !isConnective(parent) && !isNot(parent) ? 'choice' : undefined;
}

function isTruth(node: TS.Expression): boolean {
  if (ts.isParenthesizedExpression(node)) return isTruth(node.expression);
  if (isConnective(node)) return isTruth(node.left) && isTruth(node.right);
  return isNot(node) || (ts.isBinaryExpression(node) && COMPARISONS.has(node.operatorToken.kind));
}

function isNot(node: TS.Node): boolean {
  return ts.isPrefixUnaryExpression(node) && node.operator === Kind.ExclamationToken;
}

function isConnective(node: TS.Node): node is TS.BinaryExpression {
  const sign = ts.isBinaryExpression(node) ? node.operatorToken.kind : undefined;
  return sign === Kind.AmpersandAmpersandToken || sign === Kind.BarBarToken;
}

/** What is left of an `&&` or `||` without each of its sides. */
function sidesLeft(node: TS.Expression): string[] {
  if (!isConnective(node)) return [];
  const sign = node.operatorToken.kind;
  if (isConnective(node.parent) && node.parent.operatorToken.kind === sign) return [];
  const sides: string[] = [];
  const collect = (side: TS.Expression): void => {
    if (isConnective(side) && side.operatorToken.kind === sign) {
      collect(side.left);
      collect(side.right);
    } else sides.push(side.getText());
  };
  collect(node);
  return sides.map((_, without) =>
    sides.filter((_side, i) => i !== without).join(` ${ts.tokenToString(sign)!} `),
  );
}

function boundsOf(node: TS.Expression): string[] {
  if (!ts.isCallExpression(node) || !/^Math\.(min|max)$/.test(node.expression.getText())) return [];
  return node.arguments.some(ts.isSpreadElement) ? [] : node.arguments.map((one) => one.getText());
}

/** A call whose value nobody wants: `f();`, `await f();`, `void f();` */
function isCallStatement(node: TS.Node): boolean {
  return ts.isExpressionStatement(node) && isCall(node.expression);
}

function isCall(node: TS.Expression): boolean {
  if (ts.isAwaitExpression(node) || ts.isVoidExpression(node)) return isCall(node.expression);
  return ts.isCallExpression(node) && node.expression.kind !== Kind.SuperKeyword;
}

/** The same as the body of an arrow function that says it gives nothing. */
function isCallBody(node: TS.Node): boolean {
  if (!isExpression(node) || !ts.isArrowFunction(node.parent) || node.parent.body !== node) return false;
  const isVoid = node.parent.type?.kind === Kind.VoidKeyword || ts.isVoidExpression(node);
  return isVoid && isCall(node);
}

/** `Class.method`, or the name of a function; empty: none. */
function functionOf(node: TS.Node): string {
  for (let at = node.parent; !ts.isSourceFile(at); at = at.parent) {
    if (ts.isClassElement(at) && ts.isClassLike(at.parent)) {
      const name = ts.isConstructorDeclaration(at) ? 'constructor' : (at.name?.getText() ?? 'static');
      return `${at.parent.name?.text ?? ''}.${name}`;
    }
    if (ts.isFunctionDeclaration(at)) return at.name?.text ?? '';
  }
  return '';
}
