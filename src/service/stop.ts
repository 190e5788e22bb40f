/** Resolves when the signal fires or `over` does; rejects as `over` does. */
export function untilStopped(stop: AbortSignal, over: Promise<unknown>): Promise<void> {
  return new Promise((resolve, reject) => {
    if (stop.aborted) resolve();
    stop.addEventListener('abort', () => resolve());
    over.then(() => resolve(), reject);
  });
}
