// The table of options against what else speaks of options: the docstrings of SchedulerOptions, and docs/options.md.
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import type TS from 'typescript';
import { ts } from '../../scripts/lib/tool/typescript.ts';
import { OPTIONS_DOC, withOptions } from '../../scripts/build/options-doc.ts';
import { ConfigError } from '../../src/base/errors.ts';
import { OPTIONS, type Option } from '../../src/base/option-table.ts';
import { settle } from '../../src/base/settle.ts';

const TABLE = Object.entries<Option<unknown>>(OPTIONS);

/** The docstring of each option as an editor shows it, on one line. */
function docstrings(): Map<string, string> {
  const path = new URL('../../src/base/options.ts', import.meta.url);
  const source = ts.createSourceFile('options.ts', readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true);
  const options = source.statements.find(
    (one): one is TS.InterfaceDeclaration =>
      ts.isInterfaceDeclaration(one) && one.name.text === 'SchedulerOptions',
  )!;
  return new Map(
    options.members.map((member) => {
      const [comment] = ts.getJSDocCommentsAndTags(member);
      const text = ts.getTextOfJSDocComment(comment?.comment) ?? '';
      return [member.name!.getText(source), text.replace(/\s+/g, ' ')];
    }),
  );
}

describe('the table of options', () => {
  const texts = docstrings();

  it('has the options of SchedulerOptions in the same order', () => {
    expect([...texts.keys()]).to.deep.equal(TABLE.map(([name]) => name));
  });

  for (const [name, { meaning, default: standard }] of TABLE) {
    it(`${name}: its docstring begins with the table's meaning and ends with its default`, () => {
      expect(meaning).to.match(/^[A-Z].*[^.]$/);
      const text = texts.get(name)!;
      expect(text.slice(0, meaning.length)).to.equal(meaning);
      expect(text.slice(-` Default: ${standard.shown}.`.length)).to.equal(` Default: ${standard.shown}.`);
    });
  }

  it('is printed in docs/options.md: if this fails, run "npm run docs:options"', async () => {
    const document = readFileSync(OPTIONS_DOC, 'utf8');
    expect(await withOptions(document)).to.equal(document);
    for (const [name] of TABLE) expect(document).to.include(`\n| \`${name}\``);
  });

  it('is not printed into a document without its markers', async () => {
    let reason: unknown;
    await withOptions('# Options\n').catch((error: unknown) => (reason = error));
    expect(reason).to.match(/docs\/options\.md lacks <!-- options:begin -->/);
  });
});

describe('settle', () => {
  it('fills in defaults that pass their own checks', () => {
    const settled = settle({});
    expect(Object.keys(settled)).to.deep.equal(TABLE.map(([name]) => name));
    const plain = Object.entries(settled).filter(([, value]) => !/object|function/.test(typeof value));
    expect(settle(Object.fromEntries(plain))).to.deep.include(Object.fromEntries(plain));
  });

  it('computes the defaults that depend on another option', () => {
    expect(settle({ loadUnit: 'requests' }).minLoadScore).to.equal(3);
    expect(settle({ loadUnit: 'tokens' }).minLoadScore).to.equal(3465);
    expect(settle({ leaseMs: 700 }).stealAfterMs).to.equal(20);
    expect(settle({ policy: 'lucky', leaseMs: 700 }).stealAfterMs).to.equal(700);
  });

  it('keeps what is given, and takes undefined for nothing', () => {
    const idOf = (): string => 'x';
    const given = { minLoadScore: 9, stealAfterMs: 0, loadLookup: 0, takeover: true, idOf };
    expect(settle(given)).to.include(given);
    expect(settle({ ttlMs: undefined } as object).ttlMs).to.equal(900_000);
    const waitReplicas = { replicas: 2, timeoutMs: 300 };
    expect(settle({ waitReplicas, commandTimeout: 900 }).waitReplicas).to.deep.equal(waitReplicas);
    expect(() => settle({ waitReplicas, commandTimeout: 899 })).to.throw(ConfigError, 'at least 3 x');
  });

  it('makes a codec of the name of one', () => {
    const value = { ids: Uint32Array.of(1) };
    for (const option of ['codec', 'outputCodec'] as const) {
      expect(settle({ [option]: 'json' })[option].encode(value)).to.equal('{"ids":{"0":1}}');
      const tokens = settle({ [option]: 'tokens' })[option];
      expect(tokens.decode(Buffer.from(tokens.encode(value)))).to.deep.equal(value);
      for (const name of ['constructor', 'toString', 'Tokens'])
        expect(() => settle({ [option]: name as 'json' })).to.throw(
          ConfigError,
          `${option} is "${name}"; allowed`,
        );
    }
  });

  it('does not take what every object inherits for options', () => {
    for (const name of ['constructor', 'toString', '__proto__x'])
      expect(() => settle({ [name]: 1 })).to.throw(
        ConfigError,
        `${name} is no option of Scheduler.start; docs`,
      );
  });
});
