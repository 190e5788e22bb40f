/**
 * A connection for calls that would hold up or break the others: large ones, and those whose connection broke before.
 * One call at a time. It is opened when there is such a call, and closed when there has been none for a while.
 */
import { sleep } from '../base/clock.ts';
import { closeClient, whenReady } from './connection.ts';
import type { Argument, Client } from './run-script.ts';
import { BrokenConnection } from './verdicts.ts';

const KEEP_MS = 10_000;
/**
 * A link is taken to be at least so fast. What was written may be on its way for as long, unseen: the kernel takes some MiB
 * at once.
 */
const SLOWEST_BYTES_PER_MS = 64;

export interface SideConnectionRules {
  open: (silenceMs: () => number) => Client;
  /** As of the main connection. */
  silenceMs: () => number;
  /** Carries every other call. A call that breaks its own connection while this one stands, is to blame. */
  main: Client;
}

export class SideConnection {
  readonly #rules: SideConnectionRules;
  #client: Client | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #bytes = 0;
  #mainBroke = 0;
  #idle: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(rules: SideConnectionRules) {
    this.#rules = rules;
    rules.main.on('close', () => (this.#mainBroke += 1));
  }

  /** Runs one attempt of a call when its turn comes. @throws BrokenConnection */
  run<T>(args: readonly Argument[], attempt: (client: Client) => Promise<T>): Promise<T> {
    const turn = this.#last.then(() => this.#run(bytesOf(args), attempt));
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #run<T>(bytes: number, attempt: (client: Client) => Promise<T>): Promise<T> {
    clearTimeout(this.#idle);
    this.#bytes = bytes;
    const client = await this.#usable();
    const mainBroke = this.#mainBroke;
    try {
      return await attempt(client);
    } catch (error) {
      if (error instanceof BrokenConnection && client !== this.#rules.main)
        error.isAlone = (await this.#mainStands()) && mainBroke === this.#mainBroke;
      throw error;
    } finally {
      this.#bytes = 0;
      if (!this.#closed) this.#idle = setTimeout(() => this.#drop(), KEEP_MS).unref();
    }
  }

  /** The main connection, if there is no other to be had: a server may have no connection left. */
  async #usable(): Promise<Client> {
    const { open, silenceMs, main } = this.#rules;
    if (this.#closed) return main;
    const client = (this.#client ??= open(() => silenceMs() + this.#bytes / SLOWEST_BYTES_PER_MS));
    if (client.status === 'wait') client.connect().catch(() => undefined);
    const over = new AbortController();
    await Promise.race([whenReady(client), sleep(silenceMs(), over.signal)]);
    over.abort();
    return client.status === 'ready' ? client : main;
  }

  /** Asked, not believed: what broke all connections breaks one a little sooner than the other. */
  async #mainStands(): Promise<boolean> {
    return this.#rules.main.ping().then(
      () => true,
      () => false,
    );
  }

  #drop(): void {
    if (this.#client) closeClient(this.#client);
    this.#client = undefined;
  }

  /** For good. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#idle);
    this.#drop();
  }
}

function bytesOf(args: readonly Argument[]): number {
  return args.reduce((sum, arg) => sum + arg.length, 0);
}
