/** What a judge and the process that runs its tests tell each other. */
import type { TestNote } from '../src/hooks.ts';

/** The scripts as the library embeds them. */
export type Embedded = Readonly<Record<string, { text: string; origins: string }>>;

/** One run of tests. */
export interface Job {
  url: string;
  scripts: Embedded;
  /** Those that are asked, first to last, and ms that each may take; until one fails. Undefined: all, whatever fails. */
  tests: readonly { key: string; ms: number }[] | undefined;
  /** The server's log, where the scripts have marks; undefined: they have none. */
  log: string | undefined;
}

export interface Failure {
  title: string;
  /** From the folder of the bundle. */
  file: string;
  error: string;
}

export type Told = { ready: true } | { note: TestNote } | { done: Failure[] } | { broken: string };
