// What sched-lua/testing promises as a published module, read from its sources.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { transformSync } from 'esbuild';
import type TS from 'typescript';
import { ts } from '../../scripts/lib/tool/typescript.ts';
import * as face from '../../src/testing/index.ts';

const folder = 'src/testing';
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.ts'),
);
const sources = new Map(
  files.map((file) => {
    const path = join(folder, file);
    return [path, ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true)];
  }),
);

/** Modules that a file names in `import`, `export … from` and `import()`. */
function importsOf(source: TS.SourceFile): { static: string[]; dynamic: string[] } {
  const found = { static: [] as string[], dynamic: [] as string[] };
  const visit = (node: TS.Node): void => {
    if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier)
      found.static.push((node.moduleSpecifier as TS.StringLiteral).text);
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      found.dynamic.push((node.arguments[0] as TS.StringLiteral).text);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** Files of src/ that are loaded with this one: what it imports by value, and what that does. */
function loadedBy(path: string, loaded = new Set<string>()): string[] {
  if (loaded.has(path)) return [];
  loaded.add(path);
  const tsconfigRaw = { compilerOptions: { verbatimModuleSyntax: true } };
  const { code } = transformSync(readFileSync(path, 'utf8'), { loader: 'ts', tsconfigRaw });
  for (const { fileName } of ts.preProcessFile(code).importedFiles)
    if (fileName.startsWith('.')) loadedBy(join(path, '..', fileName), loaded);
  return [...loaded].sort();
}

/** The names that index.ts exports, with the file of each. */
function exportsOfIndex(): { name: string; path: string }[] {
  const index = sources.get(join(folder, 'index.ts'))!;
  return index.statements.filter(ts.isExportDeclaration).flatMap((statement) => {
    const path = join(folder, (statement.moduleSpecifier as TS.StringLiteral).text);
    const { elements } = statement.exportClause as TS.NamedExports;
    return elements.map(({ name }) => ({ name: name.text, path }));
  });
}

function declarationOf(name: string, source: TS.SourceFile): TS.Statement | undefined {
  return source.statements.find((statement) => {
    if (ts.isVariableStatement(statement))
      return statement.declarationList.declarations.some((one) => one.name.getText() === name);
    const named = statement as TS.Statement & { name?: TS.Identifier };
    return named.name?.text === name;
  });
}

describe('the module sched-lua/testing', () => {
  it('exports two kinds of Redis, an engine and a wait, and nothing that is not documented', () => {
    const values = ['DEFAULT_ENGINE', 'EmulatedEngine', 'InProcessRedis', 'startRedis', 'waitUntil'];
    expect(Object.keys(face).sort()).to.deep.equal(values);
    const names = exportsOfIndex().map(({ name }) => name);
    expect(names).to.include.members(values);
    expect(names.length).to.be.greaterThan(values.length);
  });

  for (const { name, path } of exportsOfIndex()) {
    it(`explains ${name} and marks it as experimental`, () => {
      const declaration = declarationOf(name, sources.get(path)!);
      expect(declaration, `${name} is declared in ${path}`).not.to.equal(undefined);
      const docs = ts.getJSDocCommentsAndTags(declaration!).filter(ts.isJSDoc);
      const text = docs.map(({ comment }) => ts.getTextOfJSDocComment(comment) ?? '').join('');
      expect(text.length).to.be.greaterThan(20);
      const tags = ts.getJSDocTags(declaration!).map((tag) => tag.tagName.text);
      expect(tags).to.include('experimental');
      // members of what is exported are explained one by one, but for those that say nothing: private, constructor
      if (!ts.isInterfaceDeclaration(declaration!) && !ts.isClassDeclaration(declaration!)) return;
      for (const member of declaration.members) {
        if (!member.name || ts.isPrivateIdentifier(member.name)) continue;
        const explained = ts.getJSDocCommentsAndTags(member).length > 0;
        expect(explained, `${name}.${member.name.getText()} has a docstring`).to.equal(true);
      }
    });
  }

  it('imports only node and ioredis, and testcontainers when a container is started', () => {
    for (const [path, source] of sources) {
      const imports = importsOf(source);
      const packages = imports.static.filter((name) => !name.startsWith('.'));
      for (const name of packages) expect(name, path).to.match(/^(node:|ioredis$)/);
      expect(imports.dynamic, path).to.deep.equal(path.endsWith('container.ts') ? ['testcontainers'] : []);
    }
  });

  it('loads of a scheduler only what its protocol is made of: no scheduler, no scripts, no connection', () => {
    const loaded = loadedBy(join(folder, 'index.ts'));
    expect(loaded.filter((file) => file.startsWith('src/testing/'))).to.have.length.above(10);
    const others = loaded.filter((file) => !/^src\/(testing|base|observe)\//.test(file));
    expect(others).to.deep.equal([
      'src/protocol/cuts.ts',
      'src/protocol/give-back.ts',
      'src/protocol/lane.ts',
      'src/protocol/linger.ts',
      'src/protocol/membership.ts',
      'src/protocol/resend.ts',
      'src/protocol/shard-teller.ts',
      'src/protocol/troubles.ts',
      'src/protocol/wire.ts',
      'src/protocol/wishes.ts',
      'src/redis/verdicts.ts',
    ]);
  });

  it('adds no dependency: testcontainers and prom-client are optional peers', () => {
    const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Record<
      string,
      Record<string, unknown>
    >;
    expect(Object.keys(manifest.dependencies!)).to.deep.equal(['commander', 'crc']);
    expect(Object.keys(manifest.peerDependencies!)).to.deep.equal([
      'ioredis',
      'prom-client',
      'testcontainers',
    ]);
    expect(manifest.peerDependenciesMeta).to.deep.equal({
      ...{ 'prom-client': { optional: true }, testcontainers: { optional: true } },
    });
  });
});
