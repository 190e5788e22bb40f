import { existsSync } from 'node:fs';
import { expect } from 'chai';
import { SchedulerError } from '../../src/base/errors.ts';
import { assembleLines, textOf, writeOutConstants } from '../../scripts/lib/lua/assemble.ts';
import { compile, compileAll, embed } from '../../scripts/lib/lua/compile.ts';
import { parseHeader } from '../../scripts/lib/lua/header.ts';
import { sources } from '../../scripts/lib/lua/sources.ts';
import { allScripts } from '../../src/redis/run-script.ts';
import { originOf } from '../../src/redis/origins.ts';
import { SCRIPT_NAMES, type ScriptName } from '../../src/redis/declarations.ts';
import { declared, givenBy, writtenBy } from '../../scripts/lua/effects.ts';

type Sources = Readonly<Record<string, string>>;

const { scripts: scriptSources, helpers: helperSources } = sources();

/** Asserts that assembling fails with SCRIPT, and gives the message. */
function refusal(assembling: () => unknown): string {
  try {
    assembling();
  } catch (error) {
    expect(error).to.be.instanceOf(SchedulerError);
    expect((error as SchedulerError).code).to.equal('SCRIPT');
    return (error as SchedulerError).message;
  }
  throw new Error('it was assembled');
}

/** The sources with `find` replaced in one script; `find` must be there. */
function edited(name: string, find: string, replacement: string, texts: Sources = scriptSources): Sources {
  const source = texts[name]!;
  expect(source, `${find} in ${name}`).to.include(find);
  return { ...texts, [name]: source.replace(find, replacement) };
}

describe('a script’s header', () => {
  for (const name of SCRIPT_NAMES) {
    it(`of ${name} says what its declaration says, and has a test`, () => {
      const [first] = scriptSources[name]!.split('\n');
      expect(compile(name).readable).to.deep.include({ text: first, file: `${name}.lua`, line: 1 });
      expect(existsSync(new URL(`./${name}.test.ts`, import.meta.url))).to.equal(true);
    });
  }

  it('belongs to a declared script', () => {
    expect(Object.keys(scriptSources).sort()).to.deep.equal([...SCRIPT_NAMES].sort());
  });

  const rows: { title: string; name: ScriptName; scripts?: Sources; helpers?: Sources; message: RegExp }[] = [
    {
      title: 'with a renamed argument',
      name: 'take_results',
      scripts: edited('take_results', 'ARGV[15] limit ', 'ARGV[15] batch '),
      message: /^take_results\.lua: ARGV are \[.* batch .*\], declared \[.* limit /,
    },
    {
      title: 'with a renamed argument of a helper',
      name: 'claim',
      helpers: edited('caller', 'ARGV[6] lease ', 'ARGV[6] ttl2 ', helperSources),
      message: /^claim\.lua: ARGV are/,
    },
    {
      title: 'with a renamed repeating argument',
      name: 'put_results',
      scripts: edited('put_results', 'ticket fence number', 'ticket claim number'),
      message: /^put_results\.lua: repeating ARGV are \[ticket claim /,
    },
    {
      title: 'without an argument',
      name: 'refresh',
      scripts: edited('refresh', '-- ARGV[15] cursor', '-- the cursor'),
      message: /ARGV\[16\] is out of order/,
    },
    {
      title: 'with arguments in another order',
      name: 'refresh',
      scripts: edited('refresh', '-- ARGV[15] cursor', '-- ARGV[16] cursor'),
      message: /ARGV\[16\] is out of order/,
    },
    {
      title: 'with a renamed key',
      name: 'register',
      helpers: edited('names', 'KEYS[1] nodes', 'KEYS[1] names', helperSources),
      message: /^register\.lua: KEYS are \[names meta cards\], declared \[nodes meta cards\]/,
    },
    {
      title: 'with two keys changed for each other',
      name: 'claim',
      helpers: edited(
        'tables',
        'KEYS[2] head',
        'KEYS[2] load',
        edited('tables', 'KEYS[3] load', 'KEYS[3] head', helperSources),
      ),
      message: /^claim\.lua: KEYS are \[waiting load head /,
    },
    {
      title: 'that lacks a STATUS word',
      name: 'put_results',
      scripts: edited('put_results', 'STATUS OK DOUBT FULL', 'STATUS OK FULL'),
      message: /^put_results\.lua: STATUS words are/,
    },
    {
      title: 'with a STATUS word that is not declared',
      name: 'claim',
      scripts: edited('claim', 'STATUS OK IDLE', 'STATUS OK EMPTY IDLE'),
      message: /^claim\.lua: STATUS words are \[.*EMPTY/,
    },
    {
      title: 'of a script that requires an unknown helper',
      name: 'cancel',
      scripts: edited('cancel', "local leave = require('lib.leave')", "local finish = require('lib.finish')"),
      message: /no helper named finish \(required by lua\/cancel\.lua:\d+\)/,
    },
    {
      title: 'of a script whose helper requires an unknown helper',
      name: 'cancel',
      helpers: edited(
        'dequeue',
        "local weigh = require('lib.weigh')",
        "local door = require('lib.door')",
        helperSources,
      ),
      message: /no helper named door \(required by lua\/lib\/dequeue\.lua:\d+\)/,
    },
    {
      title: 'of a script whose helpers require each other',
      name: 'reset',
      helpers: edited(
        'weigh',
        "local weight_of = require('lib.weight_of')",
        "local dequeue = require('lib.dequeue')",
        helperSources,
      ),
      message: /require each other: .*dequeue > weigh > dequeue$/,
    },
    {
      title: 'of a script that does not exist',
      name: 'claim',
      scripts: {},
      message: /no script named claim/,
    },
  ];
  for (const { title, name, scripts = scriptSources, helpers = helperSources, message } of rows) {
    it(`${title} is refused`, () => {
      expect(refusal(() => compile(name, { scripts, helpers }))).to.match(message);
    });
  }

  it('is read line by line: keys, arguments, repeating arguments, status words', () => {
    const header = parseHeader(
      [
        '-- KEYS[1] a zset  what',
        '-- ARGV[1] b  what',
        '-- ARGV[2..] c d e  what',
        '-- STATUS X Y',
        'local x = 1',
      ].join('\n'),
    );
    expect(header).to.deep.equal({ keys: ['a'], args: ['b'], each: ['c', 'd', 'e'], status: ['X', 'Y'] });
  });
});

describe('a file of lua/', () => {
  const files = [
    ...Object.entries(helperSources).map(([name, source]) => ({
      name,
      file: `lib/${name}.lua`,
      source,
      isHelper: true,
    })),
    ...Object.entries(scriptSources).map(([name, source]) => ({
      name,
      file: `${name}.lua`,
      source,
      isHelper: false,
    })),
  ];

  for (const { name, file, source, isHelper } of files) {
    it(`${file} says what it gives and writes, and has at most 100 lines`, () => {
      const tables = declared('WRITES', source)?.map((entry) => entry.replace(/ \(.*\)$/, ''));
      expect(tables?.sort()).to.deep.equal(writtenBy(source).sort());
      if (isHelper) {
        const { keys, args } = parseHeader(source, Number(/^-- ARGV\[(\d+)/m.exec(source)?.[1] ?? 1));
        const named = [...keys.map((key) => key.toUpperCase()), ...args];
        expect([...named, ...(declared('GIVES', source) ?? [])]).to.deep.equal(givenBy(name, source));
      }
      expect(source.trimEnd().split('\n').length).to.be.at.most(100);
    });
  }

  it('is found out if it writes or gives what its header does not say', () => {
    const text =
      "-- WRITES idle\n  call('HSET', tables.REQUEST, x) -- call('DEL', tables.BODY)\ncall('ZREM', tables.IDLE)";
    expect(writtenBy(text)).to.deep.equal(['request', 'idle']);
    expect(declared('WRITES', text)).to.deep.equal(['idle']);
    expect(writtenBy("for i = 1, 2 do call('PEXPIREAT', fresh[i], at) end")).to.deep.equal(['fresh']);
    expect(
      writtenBy("call('PUBLISH', caller.wake .. name, '')\ncall('TIME')\ncall('HGET', k)"),
    ).to.deep.equal([]);
    expect(() => writtenBy('call(command, tables.REQUEST)')).to.throw(/names no command/);
    const table = 'local m = {}\nm.A, m.b = 1, 2\nfunction m.f(x, y)\n  m.b = 3\nend\nreturn m';
    expect(givenBy('m', table)).to.deep.equal(['A', 'b', 'f(x, y)']);
    expect(givenBy('g', 'local function f()\nend\nlocal function g(x)\nend\nreturn g')).to.deep.equal([
      'g(x)',
    ]);
    expect(declared('GIVES', '-- GIVES  A, f(x, y),\n--        b\n-- WRITES nothing')).to.deep.equal([
      'A',
      'f(x, y)',
      'b',
    ]);
  });

  /** What assembling says of a script with these lines, and helpers. */
  const refused = (lines: readonly string[], helpers: Sources = {}): string =>
    refusal(() => assembleLines('s', lines.join('\n'), helpers));
  const needs = "local a = require('lib.a')";

  it('names a helper as its file', () => {
    expect(refused(["local b = require('lib.a')"])).to.equal('lua/s.lua:1: lib.a must be named a, not b');
  });

  it('requires in no other way than the assembler follows', () => {
    for (const other of [
      'local a = require("lib.a")',
      "f(require('lib.a'))",
      "local a = require 'lib.a'",
      "  local a = require('lib.a')",
    ])
      expect(refused([other]), other).to.match(/^lua\/s\.lua:1: only /);
  });

  it('ends, as a helper, in what it gives', () => {
    expect(refused([needs], { a: 'local function a() end' })).to.equal(
      'lua/lib/a.lua: the last line must be "return a"',
    );
  });

  it('uses of a helper only what that gives, and of itself only what it has given', () => {
    const a = 'local a = {}\na.x = 1\nreturn a';
    expect(refused([needs, 'f(a.x, a.y)'], { a })).to.equal('lua/s.lua:2: lib/a.lua gives no y');
    expect(refused([needs], { a: 'local a = {}\nf(a.x)\na.x = 1\nreturn a' })).to.match(
      /lib\/a\.lua:2: a\.x is used before/,
    );
    expect(refused([needs], { a: 'local a = {}\na.x = 1\na.x = 1\nreturn a' })).to.match(
      /lib\/a\.lua:3: a\.x is given twice/,
    );
  });

  it('writes to no field of another file', () => {
    const a = 'local a = {}\na.x = 1\nreturn a';
    for (const write of ['a.x = 2', '  y, a.x = 1, 2', 'a.x[1] = 2'])
      expect(refused([needs, write], { a }), write).to.equal(
        'lua/s.lua:2: only lib/a.lua writes to its fields',
      );
    assembleLines('s', [needs, 'local y = a.x', 'if y == a.x then y = a.x end', 'y[a.x] = 1'].join('\n'), {
      a,
    });
  });

  it('means the same by a name as every other file', () => {
    expect(
      refused([needs, 'local call = redis.pcall'], {
        a: 'local call = redis.call\nlocal function a() end\nreturn a',
      }),
    ).to.equal('lua/s.lua:2: call is redis.pcall here and redis.call elsewhere');
  });

  it('defers no helper that is a table', () => {
    expect(refused(["f(require('lib.a')(1))"], { a: 'local a = {}\nreturn a' })).to.equal(
      'lua/s.lua:1: a is no function',
    );
  });
});

describe('an assembled script', () => {
  const helper = (name: string, ...lines: string[]): string => [...lines, `return ${name}`].join('\n');
  const required = (...names: string[]): string[] =>
    names.map((name) => `local ${name} = require('lib.${name}')`);
  const linesOf = (source: string, helpers: Sources): string[] =>
    assembleLines('s', source, helpers)
      .map(({ text }) => text)
      .filter((line) => !line.startsWith('--'));

  it('has each helper once, before what needs it, and itself last', () => {
    const helpers = {
      a: helper('a', ...required('c'), 'A'),
      b: helper('b', ...required('a', 'c'), 'B'),
      c: helper('c', 'C'),
    };
    const lines = linesOf([...required('b', 'a'), 'S'].join('\n'), helpers);
    expect(lines).to.deep.equal(['return (function()', 'C', 'A', 'B', 'S', 'end)()']);
  });

  it('names its keys and arguments outside of the function that holds the rest', () => {
    const helpers = {
      a: helper('a', ...required('c'), 'A'),
      b: helper('b', ...required('a'), 'B'),
      c: helper('c', '-- KEYS[1] c zset  what', 'C'),
    };
    const lines = (name: string): string[] => linesOf([...required(name), 'S'].join('\n'), helpers);
    expect(lines('b')).to.deep.equal(['C', 'return (function()', 'A', 'B', 'S', 'end)()']);
    expect(lines('c')).to.deep.equal(['C', 'S']);
  });

  it('makes a helper that is required where it is called, with what only it needs, when it is called', () => {
    const helpers = { a: helper('a', 'A'), b: helper('b', ...required('a', 'c'), 'B'), c: helper('c', 'C') };
    expect(
      linesOf([...required('a'), "if x then require('lib.b')(1) end"].join('\n'), helpers),
    ).to.deep.equal([
      'return (function()',
      'A',
      ...['local b = function(...)', 'C', 'B', 'return b(...)', 'end'],
      'if x then b(1) end',
      'end)()',
    ]);
  });

  it('has variables for the fields of helpers, but not in texts and comments', () => {
    const a = helper(
      'a',
      'local a = {}',
      'a.x, a.LAST = 0, 1',
      'function a.next(n)',
      '  a.x = a.x + n',
      'end',
    );
    const source = [...required('a'), "a.next(a.LAST, b.a.x, 'a.x', a.x.y) -- a.x"].join('\n');
    expect(linesOf(source, { a })).to.deep.equal([
      'return (function()',
      ...['local a_x, a_LAST = 0, 1', 'local function a_next(n)', '  a_x = a_x + n', 'end'],
      "a_next(a_LAST, b.a.x, 'a.x', a_x.y) -- a.x",
      'end)()',
    ]);
  });

  it('names once what several files name for themselves', () => {
    const a = helper('a', 'local call, sub = redis.call, string.sub', 'A');
    const source = [...required('a'), 'local sub, max = string.sub, math.max', 'S'].join('\n');
    const [first, ...rest] = linesOf(source, { a });
    expect(first).to.equal('local call, sub, max = redis.call, string.sub, math.max');
    expect(rest).to.deep.equal(['return (function()', 'A', 'S', 'end)()']);
  });

  it('knows where each of its lines comes from', () => {
    let compared = 0;
    for (const { lines, name } of compileAll()) {
      const isWrittenOut = (helper: string): boolean =>
        !lines.some(({ text }) => text.startsWith(`local function ${helper}(`));
      const writtenOut = new RegExp(`\\b(${Object.keys(helperSources).filter(isWrittenOut).join('|')})\\(`);
      for (const { file, line, text } of lines.filter((one) => one.file !== '')) {
        const helper = /^lib\/(.*)\.lua$/.exec(file)?.[1];
        const source = helper === undefined ? scriptSources[name] : helperSources[helper];
        const found = source!.split('\n')[line - 1]!;
        expect(found.trim(), `${file}:${line}`).not.to.match(/^(--|$)/);
        // neither a field, a constant nor a deferred helper
        if (/\w\.\w|[A-Z]|^function/.test(found) || writtenOut.test(found)) continue;
        expect(text, `${file}:${line}`).to.equal(found);
        compared += 1;
      }
    }
    expect(compared).to.be.greaterThan(500);
    const { lines } = compile('cancel');
    const own = lines.filter(({ file }) => file === 'cancel.lua');
    expect(own.at(-1)!.text).to.match(/^return leave\(/);
    expect(scriptSources['cancel']!.split('\n')[own.at(-1)!.line - 1]).to.match(/^return leave\(/);
  });

  it('holds no require, no comment lines and no fields of helpers', () => {
    for (const { name, text } of Object.values(allScripts())) {
      expect(text, name).not.to.match(/\brequire\b/);
      expect(text, name).not.to.match(/^\s*(--.*)?$/m);
      for (const helper of Object.keys(helperSources))
        expect(text.replace(/'[^'\n]*'/g, ''), name).not.to.match(new RegExp(`(?<![\\w.])${helper}\\.\\w`));
    }
  });

  const writtenOut = (...texts: string[]): string =>
    textOf(writeOutConstants(texts.map((text, i) => ({ text, file: 'x.lua', line: i + 1 }))));

  it('has its constants written out, but not in texts and comments', () => {
    const text = [
      "local A, B_C = 12, 'x'",
      '',
      '-- of a table',
      'local d_D = KEYS[3]',
      "call(d_D, A, B_C, 'A D', A_B) -- see A",
    ];
    expect(writtenOut(...text)).to.equal("call(KEYS[3], 12, 'x', 'A D', A_B) -- see A");
  });

  it('keeps names in capitals whose values are none to write out', () => {
    const text = ['local KIND = {}', 'local n, A = ARGV[1], 2', 'return KIND, A'];
    expect(writtenOut(...text)).to.equal(text.join('\n'));
  });

  it('is refused if two of its constants share a name', () => {
    expect(refusal(() => writtenOut('local A = 1', 'local A = 2'))).to.match(/two constants are named A/);
  });

  it('is what the library has of it, with a command name of its own', () => {
    expect(embed(compileAll())).to.deep.equal(
      Object.fromEntries(
        Object.values(allScripts()).map(({ name, text, origins }) => [name, { text, origins }]),
      ),
    );
    const { claim } = allScripts();
    expect(claim.command).to.equal(`sched_lua:claim:${claim.sha1.slice(0, 12)}`);
  });

  it('has short origins that lead to the same files and lines', () => {
    for (const script of compileAll()) {
      const origins = script.lines.map((_, i) => originOf(allScripts()[script.name].origins, i + 1));
      expect(origins).to.deep.equal(
        script.lines.map(({ file, line }) => (file === '' ? undefined : `${file}:${line}`)),
      );
    }
    expect([0, 1_000_000].map((number) => originOf(allScripts().cancel.origins, number))).to.deep.equal([
      undefined,
      undefined,
    ]);
  });
});
