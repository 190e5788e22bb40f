/** A Redis that answers, however it was found. */
export interface RedisServer {
  readonly url: string;
  readonly kind: 'url' | 'binary' | 'container';
  /** For people: program, version and where it is, never a password. */
  readonly description: string;
  /** Of a server process that we started ourselves. */
  readonly pid?: number;
  /** Ends a server that we started; one that was there before goes on. May be called again. */
  stop(): Promise<void>;
}

/** One line of progress, for people. */
export type Log = (line: string) => void;

/** What every server we start is told; `extra` comes last and so wins. */
export function serverArgs(extra: readonly string[]): string[] {
  return ['--save', '', '--appendonly', 'no', '--maxmemory-policy', 'noeviction', ...extra];
}

/** The text of anything thrown. */
export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
