/** Pause between two looks. */
const LOOK_MS = 5;

/**
 * Waits until `condition` holds. It is looked at once at first and then every 5 ms, never twice at a time.
 *
 * @param what a clause for the error, like `both results have arrived`
 * @param timeoutMs how long to wait, in ms. Default 5,000
 * @throws Error after `timeoutMs`, even while `condition` itself hangs; an error of `condition` at once
 * @experimental
 */
export async function waitUntil(
  condition: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 5_000,
): Promise<void> {
  const over = new AbortController();
  const late = new Promise<never>((_, reject) => {
    const fail = () => reject(new Error(`waited ${timeoutMs} ms in vain until ${what}`));
    const timer = setTimeout(fail, timeoutMs);
    over.signal.addEventListener('abort', () => clearTimeout(timer));
  });
  const look = async () => {
    while (!over.signal.aborted && !(await condition())) {
      await new Promise((next) => setTimeout(next, LOOK_MS));
    }
  };
  try {
    await Promise.race([look(), late]);
  } finally {
    over.abort();
  }
}
