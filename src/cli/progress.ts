/** A word now and then of work that takes long. */
const EVERY_MS = 5_000;

export async function withProgress<T>(tell: () => void, work: () => Promise<T>): Promise<T> {
  const timer = setInterval(tell, EVERY_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
