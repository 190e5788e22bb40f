// What `npm run mutate --known` takes from an earlier run, and what it looks at again.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Verdict } from '../../../scripts/mutate/judge.ts';
import { Known } from '../../../scripts/mutate/known.ts';
import type { Mutant } from '../../../scripts/mutate/mutant.ts';

const mutant: Mutant = {
  ...{ file: 'lua/claim.lua', within: '', line: 7, at: 90 },
  ...{ before: 'x > 1', after: 'true' },
};
const again = { ...mutant, at: 300 };
const killed: Verdict = {
  killed: true,
  undecided: false,
  by: 'a test',
  file: 'test/lua/claim.test.ts',
  ms: 5,
};
const survived: Verdict = { killed: false, undecided: false, by: '', ms: 5 };

describe('what npm run mutate knows', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'sched-lua-known-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** As it is read where these files have other texts. */
  const read = (changed: Readonly<Record<string, string>> = {}, look = 'a look'): Known =>
    new Known(join(folder, 'known.jsonl'), look, (file) => changed[file] ?? `the text of ${file}`);

  it('is of that mutant alone, as its text may stand twice in a file', () => {
    read().keep(mutant, killed);
    expect(read().verdictOf(mutant)).to.deep.equal(killed);
    expect(read().verdictOf(again)).to.equal(undefined);
    expect(read().verdictOf({ ...mutant, after: 'false' })).to.equal(undefined);
  });

  it('holds of one that was killed until its file or the test that killed it changes', () => {
    read().keep(mutant, killed);
    expect(
      read({ 'lua/reset.lua': 'another', 'test/lua/reset.test.ts': 'another' }).verdictOf(mutant),
    ).to.include({
      killed: true,
    });
    for (const file of [mutant.file, killed.file!])
      expect(read({ [file]: 'another' }).verdictOf(mutant), file).to.equal(undefined);
  });

  it('holds of a survivor until anything changes that could notice it', () => {
    read().keep(mutant, survived);
    expect(read().verdictOf(mutant)).to.include({ killed: false, undecided: false });
    for (const file of ['lua/reset.lua', 'test/lua/reset.test.ts', 'src/base/clock.ts'])
      expect(read({ [file]: 'another' }).verdictOf(mutant), file).to.equal(undefined);
    expect(read({}, 'a longer look').verdictOf(mutant)).to.equal(undefined);
  });

  it('is the last that was found, and nothing where nothing could be', () => {
    const known = read();
    known.keep(mutant, { killed: false, undecided: true, by: 'no Redis', ms: 5 });
    expect(read().verdictOf(mutant)).to.equal(undefined);
    known.keep(mutant, survived);
    known.keep(mutant, killed);
    expect(read().verdictOf(mutant)).to.deep.equal(killed);
  });
});
