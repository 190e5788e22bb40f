// Compiles small programs against the public types, as they are published (dist), all in one run of the compiler: most of its
// time is to read these.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ts } from '../../scripts/lib/tool/typescript.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * @param programs by the names of their files, which stand at the top of this repository
 * @param more paths of other modules
 * @returns for each file what the compiler says of it, a text for each error; empty: it compiles
 */
export function compile(
  programs: Readonly<Record<string, string>>,
  more: Readonly<Record<string, string[]>> = {},
): Record<string, string[]> {
  const config = ts.readConfigFile(join(root, 'tsconfig.json'), (file) => ts.sys.readFile(file));
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, root);
  const paths = { 'sched-lua': ['./dist/index.d.ts'], ...more };
  const all = { ...options, types: ['node'], noUnusedLocals: false, paths };
  const texts = new Map(Object.entries(programs).map(([name, text]) => [join(root, name), text]));
  const host = ts.createCompilerHost(all);
  const onDisk = ts.createCompilerHost(all);
  host.fileExists = (file) => texts.has(file) || onDisk.fileExists(file);
  host.readFile = (file) => texts.get(file) ?? onDisk.readFile(file);
  host.getSourceFile = (file, version, ...rest) => {
    const text = texts.get(file);
    return text === undefined
      ? onDisk.getSourceFile(file, version, ...rest)
      : ts.createSourceFile(file, text, version);
  };
  host.getCurrentDirectory = () => dirname(join(root, 'package.json'));
  const program = ts.createProgram([...texts.keys()], all, host);
  const said = [...texts.keys()].map((file): [string, string[]] => {
    const source = program.getSourceFile(file)!;
    const errors = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
    return [
      file.slice(root.length),
      errors.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n')),
    ];
  });
  return Object.fromEntries(said);
}
