/** One signal's listener, and what it does. */
interface Listening {
  readonly acts: Set<() => void>;
  readonly act: () => void;
}

const listening = new WeakMap<AbortSignal, Listening>();

/**
 * Calls `act` when the signal fires; not any more once what this gives was called. However many wait by one signal, such as
 * that of a whole program's end, it has one listener: Node.js warns of a leak from the eleventh on.
 */
export function onAbort(signal: AbortSignal, act: () => void): () => void {
  const { acts } = listening.get(signal) ?? listenTo(signal);
  acts.add(act);
  return () => {
    acts.delete(act);
    if (acts.size === 0) leave(signal, acts);
  };
}

function listenTo(signal: AbortSignal): Listening {
  const acts = new Set<() => void>();
  const act = (): void => {
    for (const one of [...acts]) one();
  };
  const one = { acts, act };
  listening.set(signal, one);
  signal.addEventListener('abort', act);
  return one;
}

function leave(signal: AbortSignal, acts: Set<() => void>): void {
  const one = listening.get(signal);
  if (one?.acts !== acts) return;
  listening.delete(signal);
  signal.removeEventListener('abort', one.act);
}
