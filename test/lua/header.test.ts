import { existsSync } from 'node:fs';
import { expect } from 'chai';
import { SchedulerError } from '../../src/base/errors.ts';
import { helperSources, scriptSources } from '../../src/redis/lua.generated.ts';
import { assembleText, writeOutConstants } from '../../src/redis/assemble.ts';
import { allScripts, assemble, parseHeader } from '../../src/redis/run-script.ts';
import { SCRIPT_NAMES, type ScriptName } from '../../src/redis/declarations.ts';

type Sources = Record<string, string>;

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
function edited(name: string, find: string, replacement: string, sources: Sources = scriptSources): Sources {
  const source = sources[name]!;
  expect(source, `${find} in ${name}`).to.include(find);
  return { ...sources, [name]: source.replace(find, replacement) };
}

describe('a script’s header', () => {
  for (const name of SCRIPT_NAMES) {
    it(`of ${name} says what its declaration says, and has a test`, () => {
      expect(assemble(name).readable).to.include(scriptSources[name]);
      expect(existsSync(new URL(`./${name}.test.ts`, import.meta.url))).to.equal(true);
    });
  }

  it('belongs to a declared script', () => {
    expect(Object.keys(scriptSources).sort()).to.deep.equal([...SCRIPT_NAMES].sort());
  });

  const rows: { title: string; name: ScriptName; sources?: Sources; helpers?: Sources; message: RegExp }[] = [
    {
      title: 'with a renamed argument',
      name: 'claim',
      sources: edited('claim', 'ARGV[14] limit ', 'ARGV[14] batch '),
      message: /^claim\.lua: ARGV are \[.* batch .*\], declared \[.* limit /,
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
      sources: edited('put_results', 'ticket fence number', 'ticket claim number'),
      message: /^put_results\.lua: repeating ARGV are \[ticket claim /,
    },
    {
      title: 'without an argument',
      name: 'refresh',
      sources: edited('refresh', '-- ARGV[15] cursor', '-- the cursor'),
      message: /ARGV\[16\] is out of order/,
    },
    {
      title: 'with arguments in another order',
      name: 'refresh',
      sources: edited('refresh', '-- ARGV[15] cursor', '-- ARGV[16] cursor'),
      message: /ARGV\[16\] is out of order/,
    },
    {
      title: 'with a renamed key',
      name: 'register',
      helpers: edited('names', 'KEYS[1] nodes', 'KEYS[1] names', helperSources),
      message: /^register\.lua: KEYS are \[names meta\], declared \[nodes meta\]/,
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
      sources: edited('put_results', 'STATUS OK ORPHAN LOST', 'STATUS OK LOST'),
      message: /^put_results\.lua: STATUS words are/,
    },
    {
      title: 'with a STATUS word that is not declared',
      name: 'claim',
      sources: edited('claim', 'STATUS OK IDLE', 'STATUS OK EMPTY IDLE'),
      message: /^claim\.lua: STATUS words are \[.*EMPTY/,
    },
    {
      title: 'that includes an unknown helper',
      name: 'cancel',
      sources: edited('cancel', 'INCLUDE end_requests', 'INCLUDE finish'),
      message: /no helper named finish/,
    },
    {
      title: 'whose helper includes an unknown helper',
      name: 'cancel',
      helpers: edited('dequeue', 'INCLUDE enter', 'INCLUDE door', helperSources),
      message: /no helper named door \(included by dequeue\)/,
    },
    {
      title: 'whose helpers include each other',
      name: 'cancel',
      helpers: edited('enter', 'INCLUDE clock', 'INCLUDE dequeue clock', helperSources),
      message: /include each other: .*enter > dequeue > enter$/,
    },
    {
      title: 'of a script that does not exist',
      name: 'claim',
      sources: {},
      message: /no script named claim/,
    },
  ];
  for (const { title, name, sources = scriptSources, helpers = helperSources, message } of rows) {
    it(`${title} is refused`, () => {
      expect(refusal(() => assemble(name, sources, helpers))).to.match(message);
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

describe('an assembled script', () => {
  it('has each helper once, before what needs it, and itself last', () => {
    const helpers = { a: '-- INCLUDE c\nA', b: '-- INCLUDE a c\nB', c: 'C' };
    const text = assembleText('-- INCLUDE b a\nS', helpers);
    const lines = text.split('\n').filter((line) => !line.startsWith('--'));
    expect(lines).to.deep.equal(['return (function()', 'C', 'A', 'B', 'S', 'end)()']);
  });

  it('names its keys and arguments outside of the function that holds the rest', () => {
    const helpers = { a: '-- INCLUDE c\nA', b: '-- INCLUDE a\nB', c: '-- KEYS[1] c zset  what\nC' };
    const lines = (source: string): string[] =>
      assembleText(source, helpers)
        .split('\n')
        .filter((line) => !line.startsWith('--'));
    expect(lines('-- INCLUDE b\nS')).to.deep.equal(['C', 'return (function()', 'A', 'B', 'S', 'end)()']);
    expect(lines('-- INCLUDE c\nS')).to.deep.equal(['C', 'S']);
  });

  it('makes a deferred helper, with what only it needs, when it is called', () => {
    const helpers = { a: 'A', b: '-- INCLUDE a c\nB', c: 'C' };
    const lines = assembleText('-- INCLUDE a\n-- DEFER b\nS', helpers).split('\n');
    expect(lines.filter((line) => !line.startsWith('--'))).to.deep.equal([
      'return (function()',
      'A',
      ...['local b = function(...)', 'C', 'B', 'return b(...)', 'end'],
      'S',
      'end)()',
    ]);
  });

  it('has its constants written out, but not in texts and comments', () => {
    const text = ["local A, B_C = 12, 'x'", 'local D = KEYS[3]', "call(D, A, B_C, 'A D', A_B) -- see A"];
    expect(writeOutConstants(text.join('\n'))).to.equal("\n\ncall(KEYS[3], 12, 'x', 'A D', A_B) -- see A");
  });

  it('keeps names in capitals whose values are none to write out', () => {
    const text = 'local KIND = {}\nlocal n, A = ARGV[1], 2\nreturn KIND, A';
    expect(writeOutConstants(text)).to.equal(text);
  });

  it('is refused if two of its constants share a name', () => {
    expect(refusal(() => writeOutConstants('local A = 1\nlocal A = 2'))).to.match(
      /two constants are named A/,
    );
  });

  it('has a command name that changes with its text', () => {
    const changed = assemble('claim', edited('claim', 'local REAP = 16', 'local REAP = 17'));
    const { claim } = allScripts();
    expect([changed.command === claim.command, changed.sha1 === claim.sha1]).to.deep.equal([false, false]);
    expect(claim.command).to.equal(`sched_lua:claim:${claim.sha1.slice(0, 12)}`);
  });
});
