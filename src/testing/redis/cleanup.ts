// A private server must not outlive us. 'exit' covers a normal end; a signal that nobody else handles ends a
// process without 'exit', so it is caught here, cleaned up after, and raised again. Where somebody else
// handles it (a graceful shutdown), the server stays until they are done and exit.

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const cleanups = new Set<() => void>();

/** Runs `cleanup` (synchronous) when this process ends by itself or by a signal. Returns how to forget it. */
export function onProcessEnd(cleanup: () => void): () => void {
  if (cleanups.size === 0) watch();
  cleanups.add(cleanup);
  return () => {
    if (cleanups.delete(cleanup) && cleanups.size === 0) unwatch();
  };
}

function watch(): void {
  process.on('exit', runAll);
  for (const signal of signals) process.on(signal, onSignal);
}

function unwatch(): void {
  process.off('exit', runAll);
  for (const signal of signals) process.off(signal, onSignal);
}

function onSignal(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1 + onlookers()) return;
  runAll();
  process.kill(process.pid, signal);
}

/** signal-exit (in testcontainers) listens too, but handles a signal as little as we do: we would both wait. */
function onlookers(): number {
  return (process as { __signal_exit_emitter__?: { count: number } }).__signal_exit_emitter__?.count ?? 0;
}

function runAll(): void {
  unwatch();
  for (const cleanup of cleanups) {
    try {
      cleanup();
    } catch {
      // the others still have to run, and nobody is left to tell
    }
  }
  cleanups.clear();
}
