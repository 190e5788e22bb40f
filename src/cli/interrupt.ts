/** What Ctrl-C does: it ends the command at once, unless the command has something to clean up first. */
const INTERRUPTED = 130;
let graceful: AbortController | undefined;

/** From now on the first SIGINT fires this signal and the command ends by itself; a second one ends it at once. */
export function catchInterrupt(): AbortSignal {
  graceful ??= new AbortController();
  return graceful.signal;
}

/** The exit code of a command that was interrupted and ended by itself; undefined: it was not. */
export function interruptedCode(): number | undefined {
  return graceful?.signal.aborted ? INTERRUPTED : undefined;
}

export function listenForInterrupts(): void {
  process.on('SIGINT', () => {
    if (graceful === undefined || graceful.signal.aborted) process.exit(INTERRUPTED);
    graceful.abort();
  });
}
