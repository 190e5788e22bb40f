// A private server ends with our process. The event 'exit' covers a normal end and an uncaught error. A signal without
// a handler ends a process without that event: we handle it, clean up, and raise it again. Where the program handles
// the signal itself (a graceful shutdown), the server stays until the program exits.

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const cleanups = new Set<() => void>();

/** Runs `cleanup` (synchronous) when this process ends, by itself or by a signal. The returned function forgets it. */
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

/**
 * Listeners of the package signal-exit (in testcontainers). Like ours they clean up and leave the signal to others, so
 * they do not count as handlers: each side would wait for the other.
 */
function onlookers(): number {
  return (process as { __signal_exit_emitter__?: { count: number } }).__signal_exit_emitter__?.count ?? 0;
}

function runAll(): void {
  unwatch();
  for (const cleanup of cleanups) {
    try {
      cleanup();
    } catch {
      // the other cleanups still have to run, and the process ends: there is no one to report to
    }
  }
  cleanups.clear();
}
