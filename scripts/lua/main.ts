/**
 * `npm run lua`: the Lua scripts as Redis gets them. With a script's name its text, each line with its number and where
 * it comes from. With a line, as an error of Redis names it (`user_script:412`), only where that comes from.
 */
import { Command } from 'commander';
import { print } from '../../src/cli/output.ts';
import { compile, compileAll, type Compiled } from '../lib/lua/compile.ts';
import { SCRIPT_NAMES } from '../../src/redis/declarations.ts';
import { parse } from '../lib/tool/arguments.ts';
import { runTool } from '../lib/tool/process.ts';
import { listing, lineOf, textOf } from './show.ts';

interface Options {
  name: string | undefined;
  line: string | undefined;
  json: boolean;
}

function parseOptions(args: readonly string[]): Options | undefined {
  const program = new Command('npm run lua --')
    .description('The Lua scripts as Redis gets them.')
    .argument(
      '[script]',
      'prints its text, by lines with their numbers and origins; default: lists the scripts',
    )
    .option('--line <n>', 'only where this line comes from, as in user_script:412 of an error of Redis')
    .option('--json', 'one JSON object on stdout', false);
  const parsed = parse(program, args);
  return parsed && { ...parsed.opts<Omit<Options, 'name'>>(), name: parsed.args[0] };
}

function scriptOf(name: string): Compiled {
  const found = SCRIPT_NAMES.find((one) => one === name);
  if (found !== undefined) return compile(found);
  throw new Error(`no script is named "${name}"; there are ${SCRIPT_NAMES.join(', ')}`);
}

async function show({ name, line, json }: Options): Promise<boolean> {
  if (name === undefined && line !== undefined)
    throw new Error('--line needs the name of a script before it');
  const report =
    name === undefined
      ? listing(compileAll())
      : line === undefined
        ? textOf(scriptOf(name))
        : lineOf(scriptOf(name), line);
  await print(report, { json });
  return true;
}

await runTool(parseOptions, show);
