// `npm run mutate` on scripts: it finds guards, and it can tell a guard that is missed from one that is not.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { bundleTests, testFiles, writeSources } from '../../../scripts/mutate/lua/bundle.ts';
import { allMutants } from '../../../scripts/mutate/lua/judge.ts';
import { sightsIn, sightsOf, withMarks } from '../../../scripts/mutate/lua/marks.ts';
import { mutantsOf, type Sight } from '../../../scripts/mutate/lua/mutants.ts';
import { judgeAll } from '../../../scripts/mutate/run.ts';
import { sources } from '../../../scripts/lib/lua/sources.ts';

const mocha = fileURLToPath(new URL('../../../node_modules/mocha/bin/mocha.js', import.meta.url));

const changesOf = (source: string): string[] =>
  mutantsOf('x.lua', source).map(({ line, before, after }) => `${line}: ${before} => ${after}`);

describe('npm run mutate, on scripts,', () => {
  it('finds conditions, both sides of and / or, and bounds; and knows choices and defaults from guards', () => {
    expect(changesOf('if a < 1 then return end')).to.deep.equal(['1: a < 1 => false', '1: a < 1 => true']);
    expect(changesOf("local x = not seen[f(1, 'and')] and call('GET')")).to.deep.equal([
      "1: not seen[f(1, 'and')] and call('GET') => call('GET')",
      "1: not seen[f(1, 'and')] and call('GET') => not seen[f(1, 'and')]",
    ]);
    expect(changesOf('-- if a then\nwhile a and (b or c) do f(min(x, 2)) end')).to.deep.equal([
      '2: b or c => c',
      '2: b or c => b',
      '2: a and (b or c) => (b or c)',
      '2: a and (b or c) => a',
      '2: min(x, 2) => x',
      '2: min(x, 2) => 2',
    ]);
    expect(
      changesOf('local a = b and c or d\nlocal e = f or 0\ng[h] = i or {}\nk[1] = k[1] or l(m)'),
    ).to.deep.equal([]);
  });

  it('changes nothing but the guard', () => {
    const [never] = mutantsOf('x.lua', "if held(a) then -- why\n  return 'then'\nend\n");
    expect(never!.source).to.equal("if false then -- why\n  return 'then'\nend\n");
  });

  it('knows where each is seen: where a side decides, where a condition is the other, where a bound binds', () => {
    const seen = (source: string): string[] =>
      mutantsOf('x.lua', source).map(
        ({ after, shows: { from, to, value } }) => `${after}: ${source.slice(from, to)} ${value}`,
      );
    expect(seen('if a and b then return end')).to.have.members([
      ...['b: a fails', 'a: b fails', 'false: a and b holds', 'true: a and b fails'],
    ]);
    // what it is compared with may be any value of the last side
    expect(seen('while (a or f(b)) < c do g() end')).to.have.members(['f(b): a holds', 'a: f(b) any']);
    expect(seen('local x = min(a, b)')).to.have.members(['a: min(a, b) 1', 'b: min(a, b) 2']);
  });

  it('marks each of these places, so that they tell what they meet and do what they did', () => {
    const source = 'if a and max(b, 1) > c then return min(x, 2) end';
    const places = new Map<string, number>();
    const numberOf = ({ from, to, value }: Sight): number => {
      const place = `${from} ${to} ${typeof value}`;
      if (!places.has(place)) places.set(place, places.size);
      return places.get(place)!;
    };
    const marked = withMarks(source, mutantsOf('x.lua', source), numberOf).replace(/\b\d+, (?=\w+)/g, '');
    expect(marked).to.equal(
      'if sched_mark(sched_mark(a) and sched_mark(sched_mark_bound(max, b, 1) > c)) then return sched_mark_bound(min, x, 2) end',
    );
    expect(sightsIn('1:M 28 Nov ~sight 17~\n1:M ~sight 16~\nelse')).to.deep.equal([17, 16]);
    const at = { from: 0, to: 1 };
    expect(sightsOf({ ...at, value: 'fails' }, 1)).to.deep.equal([16]);
    expect(sightsOf({ ...at, value: 'any' }, 1)).to.deep.equal([16, 17]);
    expect(sightsOf({ ...at, value: 2 }, 1)).to.deep.equal([19]);
  });

  it('finds guards in every script and helper that has a condition', () => {
    const files = new Set(allMutants().map(({ file }) => file));
    for (const file of [
      'lua/put_requests.lua',
      'lua/claim.lua',
      'lua/refresh.lua',
      'lua/lib/enter.lua',
      'lua/lib/is_held_by.lua',
      'lua/lib/reap.lua',
    ])
      expect([...files]).to.include(file);
  });

  it('can load every test that judges, away from the sources', async function () {
    this.timeout(120_000);
    const folder = mkdtempSync(join(tmpdir(), 'sched-lua-bundle-'));
    try {
      await bundleTests(folder);
      writeSources(folder, sources());
      const args = [mocha, '--no-config', '--dry-run', '--reporter', 'dot', ...testFiles(folder)];
      expect(execFileSync(process.execPath, args, { cwd: folder, encoding: 'utf8' })).to.match(
        /\d{3} passing/,
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('kills a mutant without a guard that matters, and lets one survive that changes nothing', async function () {
    this.timeout(120_000);
    const source = sources().scripts['push_back']!;
    const unguarded = mutantsOf('lua/push_back.lua', source).find(
      ({ before, after }) => before.startsWith('is_held_by(') && after === 'true',
    )!;
    const harmless = { ...unguarded, before: 'nothing', after: 'a comment', source: `${source}-- nothing\n` };
    const judged = await judgeAll({
      ...{ mutants: [harmless, unguarded], modelMs: 0, seed: 1, lookMs: 30_000, tests: /push_back/ },
      workers: 1,
    });
    expect(judged.map(({ killed }) => killed)).to.deep.equal([false, true]);
    expect(judged[1]!.by).to.match(/^push_back /);
  });

  it('refuses a mutant that does not compile: its tests would fail for want of a script', async function () {
    this.timeout(120_000);
    const source = `${sources().scripts['push_back']!}\nif then`;
    const broken = { ...mutantsOf('lua/push_back.lua', sources().scripts['push_back']!)[0]!, source };
    let error: unknown;
    await judgeAll({
      mutants: [broken],
      modelMs: 0,
      seed: 1,
      lookMs: 30_000,
      tests: /push_back/,
      workers: 1,
    }).catch((reason: unknown) => (error = reason));
    expect(String(error)).to.match(/compiling/i);
  });
});
