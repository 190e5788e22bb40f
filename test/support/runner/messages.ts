// What the test runner and the process of a worker say to each other, as JSON over IPC.
import type { RedisServer } from '../../../scripts/lib/redis/find.ts';

/** How every file is run. */
export interface Settings {
  /** The worker's Redis. The runner started it, and stops it. */
  redis: Pick<RedisServer, 'url' | 'kind' | 'description'>;
  /** The folder of the test files as plain files. */
  plain: string;
  /** Tests whose full title matches, as mocha's `--grep` has it. Default: all. */
  grep?: string | undefined;
  /** Of the random order within suites. Default: the order in which they are written. */
  seed?: number | undefined;
  /** `it.only` and `describe.only` are failures: the run claims to be complete. */
  forbidOnly: boolean;
  colors: boolean;
}

/** What a worker is told. The settings come first and once; a file comes only when none is running. */
export type Order = { do: 'prepare'; settings: Settings } | { do: 'run'; file: string } | { do: 'end' };

/** How one test, hook or other step of a file ended. */
export interface Outcome {
  state: 'passed' | 'failed' | 'skipped';
  title: string;
  ms: number;
  /** Of a failed one: what went wrong, whole, as it is printed. */
  failure?: string;
}

/** What a worker says. `file ended` follows each order to run a file. */
export type News =
  | { what: 'ready' }
  | { what: 'step begun'; title: string }
  | { what: 'step ended'; outcome: Outcome }
  | { what: 'file ended'; ms: number };
