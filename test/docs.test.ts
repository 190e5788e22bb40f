// The documents: their links lead somewhere, so do the citations in comments, and what they say of tables, scripts and
// words is what the code says.
import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { SHARD_TABLES, registryKeys, shardKey, wakePrefix, type ShardTable } from '../src/base/keys.ts';
import { SCRIPTS, SCRIPT_NAMES } from '../src/redis/declarations.ts';
import {
  anchorsOf,
  citationTrouble,
  citationsOf,
  commentsOf,
  filesUnder,
  linkTrouble,
  linksOf,
  pathsIn,
  rowsOf,
  section,
  stepsOf,
  type Tree,
} from './support/documents.ts';

const PROTOCOL = 'lua/README.md';
const HEADINGS = [
  ...[
    'Words',
    'Tables',
    'Promises',
    'Scripts',
    'Dead',
    'What does not fit',
    'Lanes',
    'Frames',
    'Wake-ups',
    'Slow readers',
    'Late binding',
    'Expiry',
  ],
  ...['What runs twice', 'Budget', 'Bad days', 'Known limits'],
];
/** Every shard script has these of its guards (lua/lib/enter.lua). */
const GUARDS = ['EVICTED', 'STALE'];

const read = (file: string): string => readFileSync(file, 'utf8');
const documents = filesUnder('.', ['.md']);
const sources = ['src', 'lua', 'scripts', 'test', 'examples', '.ci']
  .filter((folder) => existsSync(folder))
  .flatMap((folder) =>
    filesUnder(folder, ['.ts', '.mjs', '.lua', '.sh', 'run']).map((file) => `${folder}/${file}`),
  )
  .filter((file) => !file.endsWith('.generated.ts'));

const tree: Tree = {
  documents: new Map(documents.map((file) => [file, anchorsOf(read(file))])),
  exists: existsSync,
};

describe('the documents', () => {
  it('are there', () => {
    expect(documents).to.include.members([
      ...['README.md', 'CHANGELOG.md', PROTOCOL, 'docs/walks.md', 'docs/glossary.md', 'docs/reference.md'],
      ...['docs/operating.md', 'docs/measurements.md', '.github/CONTRIBUTING.md', '.github/SECURITY.md'],
    ]);
  });

  it('link only to what is there', () => {
    const broken = documents.flatMap((file) =>
      linksOf(read(file)).flatMap((link) => {
        const trouble = linkTrouble(file, link, tree);
        return trouble === undefined ? [] : [`${file}: ${link}: ${trouble}`];
      }),
    );
    expect(broken).to.deep.equal([]);
  });

  it('name only files that are there', () => {
    const lost = documents.flatMap((file) =>
      pathsIn(read(file))
        .filter((path) => !existsSync(path))
        .map((path) => `${file}: ${path}`),
    );
    expect(lost).to.deep.equal([]);
  });

  it('are cited by comments under headings that they have', () => {
    const broken = sources.flatMap((file) =>
      citationsOf(commentsOf(file, read(file))).flatMap((citation) => {
        const trouble = citationTrouble(citation, tree);
        return trouble === undefined ? [] : [`${file}: ${citation}: ${trouble}`];
      }),
    );
    expect(broken).to.deep.equal([]);
  });

  it('walk through functions that the named files have', () => {
    const steps = stepsOf(read('docs/walks.md'));
    expect(steps.length).to.be.at.least(40);
    const lost = steps.flatMap(({ file, functions }) =>
      functions
        .filter((name) => !existsSync(file) || !new RegExp(`\\b${name}\\b`).test(read(file)))
        .map((name) => `${file}: ${name}`),
    );
    expect(lost).to.deep.equal([]);
  });
});

describe('lua/README.md', () => {
  const protocol = read(PROTOCOL);
  const headers = filesUnder('lua', ['.lua'])
    .map((file) => read(`lua/${file}`))
    .join('\n');
  const typeOf = (name: string): string =>
    new RegExp(`^-- KEYS\\[\\d+\\] ${name} (\\w+)`, 'm').exec(headers)?.[1] ?? 'no header has it';

  it('has the headings that comments cite, in this order', () => {
    const found = [...protocol.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
    expect(found).to.deep.equal(HEADINGS);
  });

  it('lists the tables of a shard in the order of the keys, with the types of the headers', () => {
    const rows = rowsOf(section(protocol, 'Tables')).filter(([, key]) => key?.startsWith('{topic.suffix}'));
    const tables: readonly ShardTable[] = SHARD_TABLES;
    expect(rows.map(([number, key, type]) => [number, key, type])).to.deep.equal(
      tables.map((table, i) => [
        String(i + 1),
        shardKey('topic', 0, table).replace(/\.\w{3}\}/, '.suffix}'),
        typeOf(table),
      ]),
    );
  });

  it('lists the tables of the registry, and the channel', () => {
    const text = section(protocol, 'Tables');
    const rows = rowsOf(text).filter(([key]) => key?.startsWith('{topic}:'));
    expect(rows.map(([key, type]) => [key, type])).to.deep.equal(
      registryKeys('topic').map((key) => [key, typeOf(key.split(':')[1]!)]),
    );
    expect(text).to.contain(`\`${wakePrefix('topic')}<node>\``);
  });

  it('lists every script with its lane and its status words, and tells what each does', () => {
    const text = section(protocol, 'Scripts');
    const table = text.slice(0, text.indexOf('\n### '));
    const rows = new Map(rowsOf(table).map(([name, lane, words]) => [name, { lane, words }]));
    expect([...rows.keys()].sort()).to.deep.equal([...SCRIPT_NAMES].sort());
    for (const name of SCRIPT_NAMES) {
      const script = read(`lua/${name}.lua`);
      const helpers = [...script.matchAll(/require\('lib\.(\w+)'\)/g)];
      const texts = [script, ...helpers.map(([, helper]) => read(`lua/lib/${helper}.lua`))];
      const lane = /\benter\('(\w+)'/.exec(texts.join(''))?.[1];
      const words = SCRIPTS[name].status.filter((word) => !GUARDS.includes(word));
      expect(rows.get(name), name).to.deep.equal({ lane: lane ?? '-', words: words.join(' ') || '-' });
      expect(section(protocol, name).trim(), name).to.have.length.above(80);
    }
  });

  it('names every helper that it explains as the files are called', () => {
    const helpers = rowsOf(section(protocol, 'The helpers that matter')).flatMap(([names]) =>
      names!.split(', '),
    );
    expect(helpers).to.have.length.above(10);
    for (const helper of helpers) expect(headers, helper).to.match(new RegExp(`local function ${helper}\\(`));
  });
});

describe('docs/operating.md', () => {
  it('explains every error code and every answer to a result', () => {
    const words = rowsOf(section(read('docs/operating.md'), 'Status words')).flatMap(([word]) =>
      word!.split(', '),
    );
    const code = sources.filter((file) => file.startsWith('src/')).map(read);
    const union = (type: string): string[] => {
      const declaration = new RegExp(`export type ${type} =([^;]*);`);
      const found = code.flatMap((text) => declaration.exec(text.replace(/\/\/.*$/gm, ''))?.[1] ?? []);
      expect(found, type).to.have.length(1);
      return [...found[0]!.matchAll(/'(\w+)'/g)].map(([, word]) => word!);
    };
    const [codes, answers, kinds] = [union('ErrorCode'), union('ResultStatus'), union('ResultKind')];
    expect(codes).to.include('EVICTED').and.to.have.length.above(10);
    expect(words).to.include.members([...codes, ...answers, ...kinds]);
  });
});

describe('the check of documents', () => {
  const planted: Tree = {
    documents: new Map([
      ['docs/a.md', anchorsOf('# One\n\n## Two words, `code()`\n\n## One\n\n```\n# none\n```\n')],
    ]),
    exists: (path) => ['docs/a.md', 'lua'].includes(path),
  };

  it('makes the anchors that GitHub makes', () => {
    expect([...planted.documents.get('docs/a.md')!]).to.deep.equal(['one', 'two-words-code', 'one-1']);
  });

  it('finds a link to a missing file or heading', () => {
    const trouble = (link: string): string | undefined => linkTrouble('docs/a.md', link, planted);
    expect(['#one', 'a.md#one-1', '../lua', '../docs/a.md'].map(trouble)).to.deep.equal(
      Array(4).fill(undefined),
    );
    expect(trouble('#three')).to.equal('docs/a.md has no heading #three');
    expect(trouble('b.md')).to.equal('there is no docs/b.md');
    expect(linksOf('[a](b.md#c) [d](https://e.f) `[g](h.md)`\n```\n[i](j.md)\n```')).to.deep.equal([
      'b.md#c',
    ]);
  });

  it('finds a citation of a missing document or heading, in comments only', () => {
    // written so that this file cites none of them
    const [doc, line] = ['.md', '//'];
    const ts = `/** See docs/a${doc}#one. */\nread('docs/b${doc}'); ${line} docs/c${doc}\n/* D${doc} section 3 */`;
    expect(citationsOf(commentsOf('x.ts', ts))).to.deep.equal(['docs/a.md#one', 'D.md', 'docs/c.md']);
    const lua = `-- E${doc}#two\nlocal x = "f${doc}" -- g${doc}`;
    expect(citationsOf(commentsOf('x.lua', lua))).to.deep.equal(['E.md#two', 'g.md']);
    expect(citationTrouble('docs/a.md#one', planted)).to.equal(undefined);
    expect(citationTrouble('D.md', planted)).to.equal('there is no D.md');
    expect(citationTrouble('docs/a.md#four', planted)).to.equal('docs/a.md has no heading #four');
  });

  it('reads steps, paths and rows', () => {
    const walk =
      '1. `src/a.ts`: `go()` calls `src/b.ts`\n   and `stop()`.\n2. `lua/c.lua`: `end()`.\n\nText `no()`.\n';
    expect(stepsOf(walk)).to.deep.equal([
      { file: 'src/a.ts', functions: ['go', 'stop'] },
      { file: 'lua/c.lua', functions: ['end'] },
    ]);
    expect(pathsIn(walk)).to.deep.equal(['src/a.ts', 'src/b.ts', 'lua/c.lua']);
    expect(rowsOf('| h | i |\n| --- | --- |\n| `a\\|b` | c |\n\n| k |\n| - |\n| l |')).to.deep.equal([
      ['a|b', 'c'],
      ['l'],
    ]);
  });
});
