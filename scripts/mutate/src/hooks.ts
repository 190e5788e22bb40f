// Root hooks of mocha in a process that judges mutants: they leave out the tests that are not asked for, cut short those
// that take much longer than they do without a mutant, and note which mutants a test comes by.
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { NOTED, REACHED } from './switch.ts';

/** A file with an {@link Order}; unset: all tests, as they are. */
export const ORDER = 'SCHED_LUA_MUTATE_ORDER';
/** A file that gets a {@link TestNote} per line; unset: none. */
export const NOTES = 'SCHED_LUA_MUTATE_NOTES';

/** ms that each test may take, by {@link keyOf}; others are left out. */
export type Order = Readonly<Record<string, number>>;

export interface TestNote {
  /** Plain file, from the folder of plain files. */
  file: string;
  key: string;
  /** With the hooks around it. */
  ms: number;
  /** Numbers of the mutants that it came by. */
  reached: number[];
}

export function keyOf(file: string, title: string): string {
  return `${file}: ${title}`;
}

let began = 0;
let order: Order | undefined;

export const mochaHooks: Mocha.RootHookObject = {
  beforeAll() {
    const file = process.env[ORDER];
    if (file !== undefined) order = JSON.parse(readFileSync(file, 'utf8')) as Order;
  },

  beforeEach(this: Mocha.Context) {
    began = performance.now();
    if (order === undefined) return;
    const test = this.currentTest!;
    const ms = order[keyOf(fileOf(test), test.fullTitle())];
    if (ms === undefined) this.skip();
    if (test.timeout() > ms) test.timeout(ms);
  },

  afterEach(this: Mocha.Context) {
    const notes = process.env[NOTES];
    if (notes === undefined || this.currentTest?.state !== 'passed') return;
    const file = fileOf(this.currentTest);
    const key = keyOf(file, this.currentTest.fullTitle());
    const note: TestNote = { file, key, ms: performance.now() - began, reached: reachedSince() };
    appendFileSync(notes, `${JSON.stringify(note)}\n`);
  },
};

function fileOf(test: Mocha.Test): string {
  return relative(process.cwd(), test.file!);
}

/** What this process and those it started have come by since the last call. */
function reachedSince(): number[] {
  const file = process.env[REACHED]!;
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  writeFileSync(file, '');
  (globalThis as unknown as Record<string, boolean[]>)[NOTED]?.splice(0);
  return [...new Set(lines.map(Number))];
}
