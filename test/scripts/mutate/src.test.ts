// `npm run mutate` on src/: it finds decisions, and it can tell one that is missed from one that is not.
import { expect } from 'chai';
import { judgeAll } from '../../../scripts/mutate/run.ts';
import { judgesOf } from '../../../scripts/mutate/src/judge.ts';
import { mutantsOf } from '../../../scripts/mutate/src/mutants.ts';
import { allMutants } from '../../../scripts/mutate/src/project.ts';

const changesOf = (source: string): string[] =>
  mutantsOf('x.ts', source).mutants.map(({ before, after }) => `${before} => ${after}`);

/** What a source gives with a mutant in its place. */
function run(source: string, holds: number | undefined): unknown {
  const body = mutantsOf('x.ts', source).text;
  // eslint-disable-next-line @typescript-eslint/no-implied-eval, @typescript-eslint/no-unsafe-call
  return new Function('sched_lua_mutant', body)((number: number) => number === holds) as unknown;
}

describe('npm run mutate, on src/,', () => {
  it('forces conditions both ways, but never a loop for ever', () => {
    expect(changesOf('if (a) b = c ? 1 : 2;')).to.deep.equal([
      'a => false',
      'a => true',
      'c => false',
      'c => true',
    ]);
    expect(changesOf('while (a) b++; for (; c; ) b++;')).to.deep.equal(['a => false', 'c => false']);
  });

  it('forces values that are true or false, as wholes', () => {
    expect(changesOf('const x = a < b;')).to.deep.equal(['a < b => false', 'a < b => true']);
    expect(changesOf('list.filter((one) => !one.ending).length;')).to.deep.equal([
      '!one.ending => false',
      '!one.ending => true',
    ]);
    expect(changesOf('const x = !(a < b);').length).to.equal(2);
    expect(changesOf('const x = a ?? b;')).to.deep.equal([]);
  });

  it('leaves out each side of && and ||, and each bound', () => {
    expect(changesOf('const x = a && b && c;')).to.deep.equal([
      'a && b && c => b && c',
      'a && b && c => a && c',
      'a && b && c => a && b',
    ]);
    expect(changesOf('const x = a && (b || c);')).to.deep.equal([
      'a && (b || c) => (b || c)',
      'a && (b || c) => a',
      'b || c => c',
      'b || c => b',
    ]);
    expect(changesOf('const x = Math.min(a, 2);')).to.deep.equal([
      'Math.min(a, 2) => a',
      'Math.min(a, 2) => 2',
    ]);
    expect(changesOf('const x = Math.min(...all);')).to.deep.equal([]);
  });

  it('takes out statements that are calls', () => {
    expect(changesOf('f(); async () => { await g(); void h(); x = i(); };')).to.deep.equal([
      'f(); => ',
      'await g(); => ',
      'void h(); => ',
    ]);
    expect(changesOf('x = (): void => f(); y = () => void g(); z = () => h();')).to.deep.equal([
      'f() => ',
      'void g() => ',
    ]);
    expect(changesOf('class A extends B { constructor() { super(); } }')).to.deep.equal([]);
  });

  it('names the function', () => {
    const [mutant] = mutantsOf('x.ts', 'class A {\n  #b() { if (c) return; }\n}').mutants;
    expect(mutant).to.include({ within: 'A.#b', line: 2 });
  });

  it('has all mutants of a source in one text, and none of them holds by itself', () => {
    const source = 'let a = 0; const add = () => { a += 1; }; add(); if (a > 0) add(); else a = 9; return a;';
    expect(run(source, undefined)).to.equal(2);
    const given = changesOf(source).map((change, i) => [change, run(source, i)]);
    expect(given).to.have.deep.members([
      ['add(); => ', 9],
      ['a > 0 => false', 9],
      ['a > 0 => true', 2],
      ['add(); => ', 1],
    ]);
  });

  it('asks first the tests that are short and come by little else', () => {
    const note = (key: string, ms: number, reached: number[]) => ({ file: 'f', key, ms, reached });
    const notes = [note('broad', 10, [1, 2, 3]), note('elsewhere', 1, [2]), note('short', 10, [1])];
    expect(judgesOf({ number: 1 }, notes, 100).map(({ key }) => key)).to.deep.equal(['short', 'broad']);
  });

  it('kills a mutant of a decision that a test knows, also in processes that the test starts', async function () {
    this.timeout(120_000);
    const wanted = (within: string, before: string, after: string) =>
      allMutants().mutants.find(
        (one) => one.within === within && one.before.startsWith(before) && one.after === after,
      )!;
    const judged = await judgeAll({
      mutants: [
        wanted('Agenda.refused', 'this.at(', ''),
        wanted('Claimer.ring', 'this.#stopped', 'false'),
        wanted('RedisShard.pushBack', 'this.#teller.givenBack(', ''),
      ],
      ...{ modelMs: 0, seed: 1, lookMs: 30_000, tests: /runner\/(agenda|claimer)/, workers: 1 },
    });
    expect(judged.map(({ killed }) => killed)).to.deep.equal([true, true, false]);
  });
});
