/** Just enough of Lua's grammar to find where conditions and their parts begin and end. */

export interface Token {
  text: string;
  from: number;
  to: number;
  kind: 'word' | 'name' | 'literal' | 'sign';
}

const WORDS = new Set(
  'and break do else elseif end false for function if in local nil not or repeat return then true until while'.split(
    ' ',
  ),
);
const TOKEN =
  /--\[(=*)\[[^]*?\]\1\]|--[^\n]*|([A-Za-z_]\w*)|(0x[\dA-Fa-f]+|\d+\.?\d*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(\.\.\.|\.\.|==|~=|<=|>=|[-+*/%^#<>=(){}[\];:,.])/g;

/** The tokens of a source, without comments. */
export function tokensOf(source: string): Token[] {
  const tokens: Token[] = [];
  for (const match of source.matchAll(TOKEN)) {
    const [text, , name, literal, sign] = match;
    const at = { text, from: match.index, to: match.index + text.length };
    if (name !== undefined) tokens.push({ ...at, kind: WORDS.has(name) ? 'word' : 'name' });
    else if (literal !== undefined) tokens.push({ ...at, kind: 'literal' });
    else if (sign !== undefined) tokens.push({ ...at, kind: 'sign' });
  }
  return tokens;
}

/** An expression without its parentheses: tokens `from` up to but without `to`. */
export interface Expression {
  from: number;
  to: number;
  /** What decides whether it is a choice of branch (`if`, `elseif`, `while`, `until`) or a value. */
  role: 'condition' | 'value';
  /** Arguments of a call of this name. */
  callee: string | undefined;
}

const OPENING = new Set(['(', '{', '[']);
const CLOSING = new Set([')', '}', ']']);
const BREAKS = new Set([';', ',', '=']);
const CONNECTIVES = new Set(['and', 'or', 'not', 'nil', 'true', 'false']);

function endsOperand({ kind, text }: Token): boolean {
  return (
    kind === 'name' ||
    kind === 'literal' ||
    CLOSING.has(text) ||
    ['nil', 'true', 'false', '...'].includes(text)
  );
}

/** Every expression, outer and inner, that holds more than one token. */
export function expressionsOf(tokens: readonly Token[]): Expression[] {
  const found: Expression[] = [];
  const open: { from: number; role: Expression['role']; callee: string | undefined }[] = [
    { from: 0, role: 'value', callee: undefined },
  ];
  const top = (): (typeof open)[number] => open.at(-1)!;
  const close = (to: number): void => {
    if (to - top().from > 1) found.push({ ...top(), to });
  };
  tokens.forEach((token, i) => {
    const { text, kind } = token;
    const before = tokens[i - 1];
    if (OPENING.has(text)) {
      const callee = text === '(' && before?.kind === 'name' ? before.text : undefined;
      // parentheses of a condition are a part of it
      const role = text === '(' && before?.kind !== 'name' ? top().role : 'value';
      open.push({ from: i + 1, role, callee });
    } else if (CLOSING.has(text)) {
      close(i);
      open.pop();
    } else if (BREAKS.has(text) || (kind === 'word' && !CONNECTIVES.has(text))) {
      close(i);
      const role = ['if', 'elseif', 'while', 'until'].includes(text) ? 'condition' : 'value';
      open[open.length - 1] = { ...top(), from: i + 1, role };
    } else if (before && endsOperand(before) && (kind === 'name' || kind === 'literal')) {
      // two operands side by side: a new statement
      close(i);
      open[open.length - 1] = { ...top(), from: i, role: 'value' };
    }
  });
  close(tokens.length);
  return found;
}
