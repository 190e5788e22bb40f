/** What options are when they are not given, where that is a function. */
import { hostname } from 'node:os';
import type { AnySettings } from './option-kinds.ts';

/** What an option is when it is not given. */
export interface Default<T> {
  /** As docs/options.md and the docstring of the option say it. */
  readonly shown: string;
  /** @param settled the options that stand above in the table */
  readonly of: (settled: AnySettings) => T;
}

export function hostName(): string {
  const name = hostname().replace(/[^A-Za-z0-9._:-]/g, '-');
  return name.slice(0, 120) || 'node';
}

export function requestId(request: unknown): string {
  return (request as { request_id: string }).request_id;
}

export function promptLength(request: unknown): number {
  return (request as { prompt_token_ids: { length: number } }).prompt_token_ids.length;
}

export function warn(message: string): void {
  process.emitWarning(message, 'SchedLua');
}
