/**
 * `npm run mutate`: takes each guard out of each Lua script, and forces each decision of src/ both ways and takes each
 * call out of it, one at a time, and asserts that some test notices. The sources stay as they are. Exit code 1: some
 * mutant survived, a reason in an equivalent.ts has gone, or the run could not be.
 */
import { Command, InvalidArgumentError } from 'commander';
import { integer, parse } from '../lib/tool/arguments.ts';
import { runTool } from '../lib/tool/process.ts';
import { nameOf, nameOfEquivalent, withoutEquivalent } from './mutant.ts';
import { EQUIVALENT, allMutants, judgeAll, type Judged } from './run.ts';

interface Options {
  only: RegExp;
  tests: RegExp;
  seed: number;
  modelMs: number;
  lookMs: number;
  workers?: number;
  known?: string;
  json: boolean;
  list: boolean;
}

function parseOptions(args: readonly string[]): Options | undefined {
  const program = new Command('npm run mutate --')
    .description(
      'Takes guards out of Lua scripts, and forces decisions of src/, one at a time; a mutant that no test notices is a survivor.',
    )
    .option('--only <pattern>', 'mutants whose name fits this regular expression', pattern, /./)
    .option(
      '--tests <pattern>',
      'only test files whose path fits this regular expression judge',
      pattern,
      /./,
    )
    .option('--seed <n>', 'of the model', integer(0, 999_999_999), 1)
    .option(
      '--model-ms <n>',
      'how long the model looks at a mutant that the other tests let pass',
      integer(0, 999_999_999),
      4000,
    )
    .option(
      '--look-ms <n>',
      'how long tests look at a mutant, by what they take without it',
      integer(1, 999_999_999),
      30_000,
    )
    .option('--workers <n>', 'mutants judged at once (default: half the cores)', integer(1, 64))
    .option(
      '--known <file>',
      'a file of what earlier runs found, which grows: what cannot have changed is not run again',
    )
    .option('--list', 'name the mutants and judge none', false)
    .option('--json', 'one JSON object on stdout', false);
  return parse(program, args)?.opts<Options>();
}

function pattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch {
    throw new InvalidArgumentError('It must be a regular expression.');
  }
}

function hasSurvived({ killed, undecided }: Judged): boolean {
  return !killed && !undecided;
}

/** Mutants per file. */
function table(all: readonly Judged[]): string {
  const files = [...new Set(all.map(({ mutant }) => mutant.file))];
  const row = (what: string, of: readonly Judged[]): string =>
    `${what.padEnd(30)}${String(of.length).padStart(8)}${String(of.filter(hasSurvived).length).padStart(10)}`;
  return [
    `${'FILE'.padEnd(30)}${'MUTANTS'.padStart(8)}${'SURVIVED'.padStart(10)}`,
    ...files.map((file) =>
      row(
        file,
        all.filter(({ mutant }) => mutant.file === file),
      ),
    ),
    row('all', all),
  ].join('\n');
}

async function mutate(options: Options): Promise<boolean> {
  const { mutants: judgeable, stale } = withoutEquivalent(allMutants(), EQUIVALENT);
  const mutants = judgeable.filter((mutant) => options.only.test(nameOf(mutant)));
  if (options.list) {
    for (const mutant of mutants) console.log(nameOf(mutant));
    return true;
  }
  if (mutants.length === 0) throw new Error('no mutant has such a name; --list shows them');
  let done = 0;
  const all = await judgeAll({
    ...options,
    mutants,
    log: (line) => console.error(line),
    judged: (one) => {
      const { mutant, killed, undecided, by, ms } = one;
      done += 1;
      const verdict = killed ? `killed by: ${by}` : undecided ? `NO VERDICT: ${by}` : 'SURVIVED';
      console.error(
        `${done}/${mutants.length}  ${nameOf(mutant)}  ${verdict}  (${(ms / 1000).toFixed(1)} s)`,
      );
    },
  });
  const survivors = all.filter(hasSurvived).map(({ mutant }) => nameOf(mutant));
  const open = all.filter(({ undecided }) => undecided).map(({ mutant }) => nameOf(mutant));
  console.error(`\n${table(all)}\n${EQUIVALENT.length} more change nothing, each equivalent.ts says why`);
  for (const one of stale) console.error(`a reason without a mutant: ${nameOfEquivalent(one)}`);
  for (const name of survivors) console.error(`survived: ${name}`);
  for (const name of open) console.error(`no verdict: ${name}`);
  const killed = all.length - survivors.length - open.length;
  if (options.json) {
    const details = all.map(({ mutant, ...verdict }) => ({ mutant: nameOf(mutant), ...verdict }));
    console.log(
      JSON.stringify({
        mutants: all.length,
        killed,
        survivors,
        undecided: open,
        seed: options.seed,
        details,
      }),
    );
  }
  return killed === all.length && stale.length === 0;
}

await runTool(parseOptions, mutate);
