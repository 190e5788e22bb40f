/**
 * The wait for Redis at the start of a command: a person is told of it at once, and what will never be a connection to Redis
 * is not waited for.
 */
import { sleep } from '../base/clock.ts';
import { SchedulerError, messageOf } from '../base/errors.ts';
import { ready } from '../redis/ready.ts';
import type { Client } from '../redis/run-script.ts';
import { describeRedis } from '../redis/source.ts';
import { listenerAt, type Listener } from './listener.ts';
import { duration, oneLine, withoutSecrets } from './output.ts';
import type { Target } from './target.ts';

/** A server that says nothing at all for so long is waited for. */
const SILENT_MS = 500;
/** What is over so soon needs no word. */
const SOON_MS = 100;

/** What is wrong with a certificate does not mend itself (codes of Node's TLS). */
const CERTIFICATE = /CERT|SELF_SIGNED|ISSUER|UNABLE_TO_VERIFY/;

/**
 * Resolves when the server lets the client in.
 * @param say told once, with why, if that takes a while
 * @throws SchedulerError REDIS, at once if it never will
 */
export async function connected(
  client: Client,
  target: Target,
  { timeoutMs, say }: { timeoutMs: number; say: (line: string) => void },
): Promise<void> {
  const over = new AbortController();
  const wait = new Wait(client, target, over.signal, (why) => {
    const line = `waiting for Redis at ${describeRedis(target.source)}, at most ${duration(timeoutMs)}: ${why}`;
    say(withoutSecrets(oneLine(line)));
  });
  try {
    await Promise.race([ready(client, target.source, timeoutMs, over.signal), wait.hopeless]);
  } catch (error) {
    const reason = await wait.reason;
    throw reason ?? error;
  } finally {
    over.abort();
  }
}

class Wait {
  /** Rejects with the reason, if there is one. */
  readonly hopeless: Promise<never>;
  /** Why no connection will come of it; undefined: one may. */
  reason: Promise<SchedulerError | undefined> = Promise.resolve(undefined);
  readonly #target: Target;
  readonly #over: AbortSignal;
  readonly #tell: (why: string) => void;
  #said: string | undefined;
  #giveUp!: (reason: SchedulerError) => void;

  constructor(client: Client, target: Target, over: AbortSignal, tell: (why: string) => void) {
    this.#target = target;
    this.#over = over;
    this.#tell = tell;
    this.hopeless = new Promise((_, reject) => (this.#giveUp = reject));
    const note = (error: NodeJS.ErrnoException): void => this.#trouble(error);
    client.on('error', note);
    over.addEventListener('abort', () => client.off('error', note));
    void sleep(SILENT_MS, over).then(() => this.#trouble());
  }

  #trouble(error?: NodeJS.ErrnoException): void {
    if (this.#over.aborted) return;
    if (error && CERTIFICATE.test(error.code ?? '')) this.#giveUp(this.#never(error.message, error));
    const isFirst = this.#said === undefined;
    this.#said = error ? messageOf(error) : (this.#said ?? 'no answer yet');
    if (!isFirst) return;
    this.reason = reasonOf(this.#target, this.#over).then((why) => {
      if (why === undefined) return undefined;
      const reason = this.#never(why);
      this.#giveUp(reason);
      return reason;
    });
    void sleep(SOON_MS, this.#over).then(() => {
      if (!this.#over.aborted) this.#tell(this.#said!);
    });
  }

  #never(why: string, cause?: unknown): SchedulerError {
    const message = `no connection to Redis at ${describeRedis(this.#target.source)}: ${why}`;
    return new SchedulerError('REDIS', 'connect', message, { cause });
  }
}

/** Why no connection to Redis will come of it; undefined: it may. */
async function reasonOf({ first }: Target, over: AbortSignal): Promise<string | undefined> {
  if (!first) return undefined;
  const listener = await listenerAt(first, over);
  return REASONS[first.tls ? 'overTls' : 'plainly'][listener ?? 'unknown'];
}

const HTTP = 'an HTTP server answers there';
/** By what listens, and how it is spoken to. */
const REASONS: Readonly<
  Record<'overTls' | 'plainly', Partial<Record<NonNullable<Listener> | 'unknown', string>>>
> = {
  overTls: { http: HTTP, plain: 'the server there speaks without TLS' },
  plainly: { http: HTTP, tls: 'the server there speaks TLS' },
};
