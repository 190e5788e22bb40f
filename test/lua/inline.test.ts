// Short helpers are written out where they are called, and only where the meaning stays (scripts/lib/lua/inline.ts).
import { expect } from 'chai';
import { inline } from '../../scripts/lib/lua/inline.ts';

const inlined = (text: string): string =>
  inline(text.split('\n').map((line, i) => ({ text: line, file: 'x.lua', line: i + 1 })))
    .map((line) => line.text)
    .join('\n');

const HEX = 'local function hex(text, from)\n  return tonumber(sub(text, from, from + 3), 16)\nend';
const BOTH = 'local function both(a, b)\n  return a and b\nend';

describe('a short helper', () => {
  const written: { title: string; text: string; becomes: string }[] = [
    {
      title: 'that is a call takes the place of a call',
      text: `${HEX}\nreturn hex(ticket, 5)`,
      becomes: 'return tonumber(sub(ticket, 5, 5 + 3), 16)',
    },
    {
      title: 'has its arguments in parentheses, and itself',
      text: `${BOTH}\nlocal x = not both(#a.b or c, -1)`,
      becomes: 'local x = not ((#a.b or c) and (-1))',
    },
    {
      title: 'is found within another, and within a line',
      text: `${HEX}\n${BOTH}\nlocal x = both(hex(line.t, 1), y), both(y, hex(t, 2))`,
      becomes:
        'local x = ((tonumber(sub(line.t, 1, 1 + 3), 16)) and y), (y and (tonumber(sub(t, 2, 2 + 3), 16)))',
    },
    {
      title: 'is written out within the helper that calls it',
      text: `${HEX}\nlocal function first(text)\n  return hex(text, 1)\nend\nreturn first(t)`,
      becomes: 'return tonumber(sub(t, 1, 1 + 3), 16)',
    },
    {
      title: 'gets texts as they are, with commas and parentheses',
      text: `${BOTH}\nreturn both('a, (b', x['c)'])`,
      becomes: "return ('a, (b' and (x['c)']))",
    },
    {
      title: 'that is a call may be a statement',
      text: 'local function tell(name)\n  return publish(wake, name)\nend\ntell(node)',
      becomes: 'publish(wake, node)',
    },
    { title: 'that nobody calls is left out', text: `${BOTH}\n${HEX}\nreturn 1`, becomes: 'return 1' },
  ];
  for (const { title, text, becomes } of written) {
    it(title, () => expect(inlined(text)).to.equal(becomes));
  }

  const kept: { title: string; text: string }[] = [
    { title: 'a statement that is no call', text: `${BOTH}\nboth(a, b)` },
    { title: 'a call over two lines', text: `${BOTH}\nreturn both(a,\n  b)` },
    { title: 'fewer arguments', text: `${BOTH}\nreturn both(a)` },
    { title: 'a call as an argument that it has twice', text: `${HEX}\nreturn hex(t, first())` },
    { title: 'a function that is a value', text: `${BOTH}\nreturn pcall(both, a, b)` },
    { title: 'a field of that name', text: `${BOTH}\nreturn t.both(a, b), both` },
    {
      title: 'a name of it that means a parameter there',
      text: `${HEX}\nlocal function f(sub)\n  return hex(sub, 1), 2\nend`,
    },
    {
      title: 'a name of it that means a variable there',
      text: `${HEX}\nfor sub = 1, 2 do\n  x = hex(t, sub)\nend`,
    },
    {
      title: 'a name of it that is declared twice',
      text: `local sub = 1\n${HEX}\nlocal sub = 2\nreturn hex(t, 1)`,
    },
    { title: 'more than one value', text: 'local function f(a)\n  return a, a\nend\nreturn f(1)' },
    { title: 'a table', text: 'local function f(a)\n  return { a = a }\nend\nreturn f(1)' },
    {
      title: 'more than one line',
      text: 'local function f(a)\n  return a\n    + 1 + (\n2)\nend\nreturn f(1)',
    },
  ];
  for (const { title, text } of kept) {
    it(`stays called: ${title}`, () => expect(inlined(text)).to.equal(text));
  }

  it('leaves every line where it came from', () => {
    const [line] = inline([
      ...BOTH.split('\n').map((text, i) => ({ text, file: 'lib/both.lua', line: i + 1 })),
      { text: 'return both(a, b)', file: 'claim.lua', line: 9 },
    ]);
    expect(line).to.deep.equal({ text: 'return (a and b)', file: 'claim.lua', line: 9 });
  });
});
