// What `npm run mutate` leaves out, and what it makes of a run that broke.
import { expect } from 'chai';
import { verdictOf, type Judge } from '../../../scripts/mutate/judge.ts';
import { nameOf, nameOfEquivalent, withoutEquivalent, type Mutant } from '../../../scripts/mutate/mutant.ts';
import { EQUIVALENT, allMutants } from '../../../scripts/mutate/run.ts';
import { runTests, type TestRun } from '../../../scripts/mutate/test-run.ts';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const mutant: Mutant = {
  ...{ file: 'src/a.ts', within: 'A.b', line: 7, at: 90 },
  ...{ before: 'x > 1', after: 'true' },
};

describe('npm run mutate', () => {
  it('leaves out what changes nothing, wherever it has moved to, and names reasons that have no mutant', () => {
    const moved = { ...mutant, line: 70 };
    const other = { ...mutant, within: 'A.c' };
    const { file, within, before, after } = mutant;
    const anywhere = { file, before, after, why: 'for this test' };
    const entry = { ...anywhere, within };
    expect(withoutEquivalent([moved, other], [entry])).to.deep.equal({ mutants: [other], stale: [] });
    expect(withoutEquivalent([moved, other], [anywhere])).to.deep.equal({ mutants: [], stale: [] });
    expect(withoutEquivalent([other], [entry])).to.deep.equal({ mutants: [other], stale: [entry] });
  });

  it('has a mutant for each reason that it knows: where the code has changed, its reason goes', function () {
    this.timeout(60_000);
    expect(withoutEquivalent(allMutants(), EQUIVALENT).stale.map(nameOfEquivalent)).to.deep.equal([]);
  });

  it('names what is replaced by nothing', () => {
    expect(nameOf({ ...mutant, after: '' })).to.equal('src/a.ts:7  in A.b  x > 1  =>  (nothing)');
  });

  describe('a verdict', () => {
    const passed: TestRun = { failed: [], broken: undefined, ms: 1 };
    const judge = (withIt: Partial<TestRun>, without: Partial<TestRun> = {}): Judge<Mutant> => ({
      run: (_, holds) => Promise.resolve({ ...passed, ...(holds ? withIt : without) }),
      close: () => Promise.resolve(),
    });

    it('is that of the tests, if they could be run', async () => {
      expect(await verdictOf(judge({ failed: ['t'] }), mutant)).to.include({
        killed: true,
        undecided: false,
        by: 't',
      });
      expect(await verdictOf(judge({}), mutant)).to.include({ killed: false, undecided: false });
    });

    it('of a run that broke is known only if the run does not break without the mutant', async () => {
      const verdict = await verdictOf(judge({ broken: 'it ended' }), mutant);
      expect(verdict).to.include({ killed: true, by: 'it ended; without the mutant all tests pass' });
      const neither = await verdictOf(judge({ broken: 'it ended' }, { broken: 'no Redis' }), mutant);
      expect(neither).to.include({ killed: false, undecided: true });
      expect(neither.by).to.include('it ended').and.include('no Redis');
    });
  });

  describe('a run of tests', () => {
    let folder: string;
    beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'sched-lua-runs-'))));
    afterEach(() => rmSync(folder, { recursive: true, force: true }));

    const run = (test: string, hooks = ''): Promise<TestRun> => {
      writeFileSync(join(folder, 'test.cjs'), test);
      writeFileSync(join(folder, 'hooks.cjs'), hooks);
      return runTests({
        ...{ folder, hooks: [join(folder, 'hooks.cjs')], files: ['test.cjs'] },
        ...{ env: {}, timeoutMs: 60_000 },
      });
    };

    it('ends with the first test that fails', async () => {
      const { failed, broken } = await run(
        "it('is well', () => undefined); it('fails', () => { throw Error(); }); it('fails too', () => { throw Error(); });",
      );
      expect({ failed, broken }).to.deep.equal({ failed: ['fails'], broken: undefined });
    });

    it('that ends before its tests do is no verdict', async () => {
      const { failed, broken } = await run("it('ends', () => process.exit(1));");
      expect({ failed, broken }).to.deep.equal({ failed: [], broken: 'the run ended with code 1' });
    });

    it('whose root hooks fail is no verdict: it had no Redis, say', async () => {
      const { failed, broken } = await run(
        "it('is well', () => undefined);",
        "exports.mochaHooks = { beforeAll: () => { throw Error('no Redis'); } };",
      );
      expect({ failed, broken }).to.deep.equal({ failed: [], broken: 'the tests could not begin' });
    });
  });
});
