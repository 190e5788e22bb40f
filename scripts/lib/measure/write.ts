/**
 * `--write`: a tool's figures go into `docs/measurements.md`, into the tool's own block, never by hand. A block stands
 * between two markers, `<!-- bench:begin -->` and `<!-- bench:end -->`, and is replaced whole; the rest is left alone.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

/** The option, as the tools' command lines have it. */
export const WRITE_OPTION = [
  '--write',
  "put the figures into the tool's block of docs/measurements.md",
] as const;

const DOCUMENT = fileURLToPath(new URL('../../../docs/measurements.md', import.meta.url));

/** Where figures come from. */
export interface Origin {
  /** The name of the npm script. */
  tool: string;
  /** What stood behind it on the command line. */
  args: readonly string[];
  date: Date;
  /** The commit that ran, with what else is to be known of it. */
  commit: string;
  /** What ran it, without a name: versions, number of cores. */
  machine: string;
}

/**
 * Writes a tool's figures into its block.
 *
 * @param text for people, as the tool prints it
 * @param block its name, if the tool has several; default: the tool's
 * @param document replaced in tests only
 * @throws Error if the document has no such block
 */
export function writeMeasurements(
  tool: string,
  text: string,
  {
    args = process.argv.slice(2),
    block = tool,
    document = DOCUMENT,
  }: { args?: readonly string[]; block?: string; document?: string } = {},
): void {
  const machine = `Node ${process.version.slice(1)}, ${availableParallelism()} cores`;
  const written = blockOf({ tool, args, date: new Date(), commit: commitOf(), machine }, text);
  writeFileSync(document, replaceBlock(readFileSync(document, 'utf8'), block, written));
}

/** What stands in a block: the command line, when and on what it ran, and the figures. */
export function blockOf({ tool, args, date, commit, machine }: Origin, text: string): string {
  const line = ['npm run', tool, ...(args.length > 0 ? ['--'] : []), ...args.map(shown)].join(' ');
  const day = date.toISOString().slice(0, 10);
  return [`\`${line}\`, ${day}, commit ${commit}, ${machine}.`, '', '```text', text.trimEnd(), '```'].join(
    '\n',
  );
}

/** The document with this in the block of that name. */
export function replaceBlock(document: string, name: string, block: string): string {
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`];
  const [before, inside, ...more] = document.split(begin);
  const after = inside?.split(end);
  if (more.length > 0 || after?.length !== 2) {
    throw new Error(`the document must have ${begin} and ${end} behind it, each once`);
  }
  return `${before!}${begin}\n\n${block}\n\n${end}${after[1]!}`;
}

/** An argument as one would type it; of a path only the last part, as the rest is this machine's. */
function shown(arg: string): string {
  const short = arg.replace(/^(--[\w-]+=)?.*\//, '$1');
  return /[^\w.,:=%+-]/.test(short) ? `'${short}'` : short;
}

/** The commit that is checked out; documents do not count as changes, the tools write them. */
function commitOf(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, {
      cwd: new URL('../../../', import.meta.url),
      encoding: 'utf8',
      stdio: 'pipe',
    }).trim();
  try {
    const changes = git('status', '--porcelain', '--untracked-files=no', '--', '.', ':!docs');
    return `${git('rev-parse', '--short=12', 'HEAD')}${changes === '' ? '' : ' with changes'}`;
  } catch {
    return 'unknown';
  }
}
