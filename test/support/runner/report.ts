// What a run says: a line for each file while it runs, then the failures whole, what was slow, and the line that build
// servers read.
import type { Outcome } from './messages.ts';
import type { FileReport } from './worker-process.ts';

const SLOWEST = 10;

export class Report {
  readonly #print: (line: string) => void;
  readonly #files: number;
  readonly #reports: FileReport[] = [];
  readonly #complaints: string[] = [];

  constructor(files: number, print: (line: string) => void) {
    this.#files = files;
    this.#print = print;
  }

  add(report: FileReport): void {
    this.#reports.push(report);
    const { failed } = count(report.outcomes);
    const width = String(this.#files).length;
    const place = `[${String(this.#reports.length).padStart(width)}/${this.#files}]`;
    const words = wording(count(report.outcomes));
    this.#print(
      `${place} ${failed > 0 ? 'FAILED' : 'ok    '} ${report.file}: ${words}, ${seconds(report.ms)}`,
    );
    const output = report.output.trimEnd();
    if (output !== '') this.#print(output.replace(/^/gm, '    | '));
  }

  /** Counts as a failure. */
  complain(complaint: string): void {
    this.#complaints.push(complaint);
    this.#print(`FAILED ${complaint}`);
  }

  /** Prints the rest, in which `N passed, N failed` comes last; answers whether all was well. */
  end(ms: number, notes: readonly string[]): boolean {
    const outcomes = this.#reports.flatMap((report) => report.outcomes);
    const missing = this.#files - this.#reports.length;
    if (missing > 0) this.complain(`${missing} files were not run`);
    const failures = [
      ...outcomes.flatMap(({ state, title, failure }) => (state === 'failed' ? [failure ?? title] : [])),
      ...this.#complaints,
    ];
    if (failures.length > 0) this.#print('\nFailures:');
    for (const [i, failure] of failures.entries()) this.#print(`\n${i + 1}) ${failure}`);
    // again, as a build server may show the end only: a seed may be in it
    for (const report of this.#reports)
      if (count(report.outcomes).failed > 0 && report.output.trim() !== '')
        this.#print(`\nWhat ${report.file} said:\n${report.output.trimEnd().replace(/^/gm, '    | ')}`);
    const tests = outcomes.map(({ title, ms }) => ({ name: title, ms }));
    const files = this.#reports.map(({ file, ms }) => ({ name: file, ms }));
    this.#printSlowest('tests', tests);
    this.#printSlowest('files', files);
    const { passed, failed, skipped } = count(outcomes);
    this.#print('');
    for (const note of notes) this.#print(note);
    this.#print(`${files.length} files in ${seconds(ms)}`);
    if (passed + failed + skipped === 0) this.#print('no test was run');
    this.#print(wording({ passed, failed: failed + this.#complaints.length, skipped }));
    return failures.length === 0 && passed > 0;
  }

  /** ms per file, of those that ended as they should. */
  durations(): Record<string, number> {
    const sound = this.#reports.filter(({ outcomes }) => count(outcomes).failed === 0);
    return Object.fromEntries(sound.map(({ file, ms }) => [file, ms]));
  }

  #printSlowest(what: string, list: { name: string; ms: number }[]): void {
    this.#print(`\nThe slowest ${what}:`);
    const slowest = list.sort((a, b) => b.ms - a.ms).slice(0, SLOWEST);
    for (const { name, ms } of slowest) this.#print(`${seconds(ms).padStart(8)}  ${name}`);
  }
}

type Counts = Record<Outcome['state'], number>;

function count(outcomes: readonly Outcome[]): Counts {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const { state } of outcomes) counts[state] += 1;
  return counts;
}

function wording({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
