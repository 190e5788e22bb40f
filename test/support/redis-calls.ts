// Which commands of Redis the sources send, by the compiler's types: every call of a method of an ioredis client or pipeline.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type TS from 'typescript';
import { ts } from '../../scripts/lib/tool/typescript.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const require = createRequire(import.meta.url);
const { list } = createRequire(require.resolve('ioredis'))('@ioredis/commands') as { list: string[] };
/** Containers whose second word is a command of its own to an ACL rule. */
const CONTAINERS = ['acl', 'client', 'cluster', 'config', 'memory', 'script', 'slowlog'];
const CLIENTS = /^(Redis|Cluster|Commander|ChainableCommander|Pipeline)$/;

export interface Sent {
  /** As an ACL rule names it, like `zadd` or `config|get`. */
  command: string;
  /** From the root of the repository. */
  file: string;
}

/** Of all of src/ but what is published for tests. */
export function commandsSent(): Sent[] {
  const config: unknown = ts.readConfigFile(`${root}/tsconfig.build.json`, (path) =>
    ts.sys.readFile(path),
  ).config;
  const { fileNames, options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const program = ts.createProgram(fileNames, { ...options, noEmit: true, types: [] });
  const checker = program.getTypeChecker();
  const sent: Sent[] = [];
  for (const source of program.getSourceFiles()) {
    const file = source.fileName.slice(root.length);
    if (!/^\/?src\/(?!testing\/)/.test(file) || source.isDeclarationFile) continue;
    const visit = (node: TS.Node): void => {
      if (ts.isCallExpression(node)) {
        const { expression: called, arguments: args } = node;
        for (const method of methodsOf(called, checker))
          sent.push(...commandOf(method, args).map((command) => ({ command, file })));
      }
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  return sent;
}

/** The methods of a client that this may call: of `client.zadd` one, of `reads[expiry]` each that the type of `expiry` allows. */
function methodsOf(called: TS.Expression, checker: TS.TypeChecker): string[] {
  if (ts.isPropertyAccessExpression(called))
    return isClient(checker.getTypeAtLocation(called.expression)) ? [called.name.text] : [];
  if (!ts.isElementAccessExpression(called) || !isClient(checker.getTypeAtLocation(called.expression)))
    return [];
  const type = checker.getTypeAtLocation(called.argumentExpression);
  return (type.isUnion() ? type.types : [type]).flatMap((one) => (one.isStringLiteral() ? [one.value] : []));
}

function isClient(type: TS.Type): boolean {
  const types = type.isUnionOrIntersection() ? type.types : [type];
  return types.some(({ symbol }) => CLIENTS.test((symbol as typeof symbol | undefined)?.name ?? ''));
}

function commandOf(method: string, args: readonly TS.Expression[]): string[] {
  const name = method.replace(/Buffer$/, '').toLowerCase();
  const words = args.map(textOf);
  if (name === 'call') return words[0] === undefined ? [] : commandOf(words[0], args.slice(1));
  if (!list.includes(name)) return [];
  if (!CONTAINERS.includes(name)) return [name];
  if (words[0] === undefined) throw new Error(`${name}: its second word is no text`);
  return [`${name}|${words[0].toLowerCase()}`];
}

/** Of a text, or the first of a list of texts that is spread. */
function textOf(argument: TS.Expression): string | undefined {
  if (ts.isStringLiteralLike(argument)) return argument.text;
  if (ts.isSpreadElement(argument) && ts.isArrayLiteralExpression(argument.expression))
    return argument.expression.elements.map(textOf)[0];
  return undefined;
}
