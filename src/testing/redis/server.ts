/**
 * A Redis (or Valkey) that was started for this process alone.
 * @experimental
 */
export interface PrivateRedis {
  /** Like `redis://127.0.0.1:41234`. */
  readonly url: string;
  /** A process of the program on PATH, or a container. */
  readonly kind: 'binary' | 'container';
  /** Program, version and address, for people. */
  readonly description: string;
  /** Process id of the server; only of a binary. */
  readonly pid?: number;
  /** Ends the server and removes what it wrote. A second call does nothing. */
  stop(): Promise<void>;
}

/**
 * Receives one line of progress, for people.
 * @experimental
 */
export type Log = (line: string) => void;

/** Arguments of every server that is started here: no persistence, no eviction. `extra` comes last and so wins. */
export function serverArgs(extra: readonly string[]): string[] {
  return ['--save', '', '--appendonly', 'no', '--maxmemory-policy', 'noeviction', ...extra];
}
