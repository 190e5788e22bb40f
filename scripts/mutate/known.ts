/**
 * What earlier runs found, as a file of JSON lines, so that a run goes on where another ended. A mutant that was killed is
 * killed as long as its own file and the test file that killed it are what they were. One that survived is looked at again
 * when anything has changed that could notice it.
 */
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Verdict } from './judge.ts';
import { nameOf, type Mutant } from './mutant.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
/** What a survivor stands for. */
const EVERYTHING = ['lua', 'src', 'test'];

/** One line of the file. */
interface Entry {
  /** For those who read it. */
  mutant: string;
  /** Of the file with the mutant in it. */
  text: string;
  killed: boolean;
  by: string;
  /** The test file that killed it, from the project's folder. */
  file?: string;
  /** Of that test file; of a survivor: of everything, and of how it was looked at. */
  judges: string;
  ms: number;
}

export class Known {
  readonly #path: string;
  readonly #entries = new Map<string, Entry>();
  readonly #of: (file: string) => string;
  readonly #everything: string;

  /**
   * @param path of the file, which need not be there yet
   * @param look how mutants are looked at, as far as that decides who survives
   * @param textOf what stands in a file of the project; undefined: there is none
   * @throws SyntaxError if it has a line that is none of this
   */
  constructor(path: string, look: string, textOf: (file: string) => string | undefined = read) {
    this.#path = path;
    const texts = new Map<string, string>();
    this.#of = (file) => {
      if (!texts.has(file)) texts.set(file, hash(textOf(file) ?? ''));
      return texts.get(file)!;
    };
    this.#everything = hash(look + sourceFiles().map(this.#of).join());
    const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : [];
    for (const line of lines) {
      const entry = JSON.parse(line) as Entry;
      this.#entries.set(entry.text, entry);
    }
  }

  /** What `make` gives, kept beside the file under this name as long as everything is as it was. */
  async kept<T>(name: string, make: () => Promise<T>): Promise<T> {
    const path = `${this.#path}.${name}`;
    if (existsSync(path)) {
      const { of, value } = JSON.parse(readFileSync(path, 'utf8')) as { of: string; value: T };
      if (of === this.#everything) return value;
    }
    const value = await make();
    writeFileSync(path, JSON.stringify({ of: this.#everything, value }));
    return value;
  }

  /** The verdict that still holds, if there is one. */
  verdictOf(mutant: Mutant): Verdict | undefined {
    const entry = this.#entries.get(this.#textOf(mutant));
    if (entry === undefined || entry.judges !== this.#judges(entry)) return undefined;
    const { killed, by, file, ms } = entry;
    return { killed, undecided: false, by, ms, ...(file === undefined ? {} : { file }) };
  }

  /** Keeps it, if anything is known by it. */
  keep(mutant: Mutant, { killed, undecided, by, file, ms }: Verdict): void {
    if (undecided) return;
    const about = { killed, by, ...(file ? { file } : {}), ms };
    const entry = {
      mutant: nameOf(mutant),
      text: this.#textOf(mutant),
      ...about,
      judges: this.#judges(about),
    };
    this.#entries.set(entry.text, entry);
    appendFileSync(this.#path, `${JSON.stringify(entry)}\n`);
  }

  #judges({ killed, file }: Pick<Entry, 'killed' | 'file'>): string {
    return killed && file !== undefined ? this.#of(file) : this.#everything;
  }

  #textOf(mutant: Mutant): string {
    const { file, before, after, at } = mutant;
    return hash(JSON.stringify([file, this.#of(file), at, before, after]));
  }
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}

function read(file: string): string | undefined {
  const path = join(root, file);
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

function sourceFiles(): string[] {
  return EVERYTHING.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.(lua|ts)$/.test(entry.name))
      .map(({ parentPath, name }) => join(parentPath, name).slice(root.length))
      .sort(),
  );
}
