/** What Ctrl-C does: it ends the command at once, unless the command has something to clean up first. */
import { EXIT } from './output.ts';

let graceful: AbortController | undefined;
let stop: AbortController | undefined;

/** From now on the first SIGINT fires this signal and the command ends by itself; a second one ends it at once. */
export function catchInterrupt(): AbortSignal {
  graceful ??= new AbortController();
  return graceful.signal;
}

/** What Ctrl-C does where the terminal tells of it as of any other key. */
export function interrupt(): void {
  graceful?.abort();
}

/** For a command that serves until it is told to stop: the first SIGINT or SIGTERM fires this signal, a second one ends it at once. */
export function catchStop(): AbortSignal {
  if (stop) return stop.signal;
  const { signal } = (stop = new AbortController());
  catchInterrupt().addEventListener('abort', () => stop!.abort());
  process.on('SIGTERM', () => {
    if (signal.aborted) process.exit(EXIT.terminated);
    stop!.abort();
  });
  return signal;
}

/** The exit code of a command that was interrupted and cleaned up; undefined: it was not interrupted. */
export function interruptedCode(): number | undefined {
  return graceful?.signal.aborted ? EXIT.interrupted : undefined;
}

export function listenForInterrupts(): void {
  process.on('SIGINT', () => {
    if (graceful === undefined || graceful.signal.aborted) process.exit(EXIT.interrupted);
    graceful.abort();
  });
}
