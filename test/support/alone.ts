// Leak checks. What is open in a process is counted for the whole of it, and other tests' sockets and timers come and go:
// what must leave nothing open is done in a process of its own.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { bundle } from './bundle.ts';

/** What is done there, by name. */
export type Acts = Readonly<Record<string, () => unknown>>;

type Said = { open: string[] } | { error: string };

/** For the program of {@link openAfter}, as its last statement: does what it was told, and says what is open then. */
export function actAlone(acts: Acts): void {
  const act = process.argv[2]!;
  const run = async (): Promise<Said> => {
    const before = await open();
    await acts[act]!();
    return { open: without(await open(), before) };
  };
  void run()
    .catch((error: unknown): Said => ({ error: String(error) }))
    .then((said) => process.send!(said));
}

/**
 * Does something in a process of its own.
 *
 * @param program that ends with {@link actAlone}
 * @param act of the program
 * @returns what keeps that process alive once it is done, as `process.getActiveResourcesInfo()` names it
 * @throws what the act throws, as text
 */
export async function openAfter(program: URL, act: string): Promise<string[]> {
  const child = fork(await bundle(program), [act], { execArgv: [] });
  const over = once(child, 'exit');
  try {
    // a process that ends without a word has crashed, and said why on stderr
    const silent: Promise<[Said]> = over.then(() => [{ error: 'its process ended' }]);
    const [said] = (await Promise.race([once(child, 'message'), silent])) as [Said];
    if ('error' in said) throw new Error(`${act}: ${said.error}`);
    return said.open;
  } finally {
    child.kill('SIGKILL');
    await over;
  }
}

/** In a turn of its own: what has been closed just now is still counted in this one. */
async function open(): Promise<string[]> {
  await new Promise((next) => setImmediate(next));
  return process.getActiveResourcesInfo();
}

function without(all: readonly string[], some: readonly string[]): string[] {
  const left = [...all];
  for (const one of some) if (left.includes(one)) left.splice(left.indexOf(one), 1);
  return left;
}
