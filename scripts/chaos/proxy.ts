/** A TCP proxy in front of Redis that breaks connections where it hurts. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** What is to happen to a connection next. */
type Trap = 'none' | 'before' | 'after' | 'silence';

interface Pair {
  client: Socket;
  server: Socket;
  trap: Trap;
  /** `after` has let the command through: the next reply is lost. */
  sprung: boolean;
}

export class Proxy {
  readonly #target: number;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #latencyMs = 0;

  /** @param target the port of Redis on this machine */
  constructor(target: number) {
    this.#target = target;
    this.#server = createServer({ noDelay: true }, (client) => this.#accept(client));
  }

  /** Answers the proxy's URL. */
  async open(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Known once it is open. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const pair of this.#pairs) destroy(pair);
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  /**
   * Sets a trap on a share of the connections there are; answers how many.
   * `before`: the next command is swallowed and the connection cut. `after`: the next command reaches Redis, its reply
   * is swallowed and the connection cut. `silence`: nothing comes through any more, in either direction, and nobody is
   * told; it stays like that until the client gives up.
   */
  trap(kind: Exclude<Trap, 'none'>, chosen: (index: number) => boolean): number {
    const pairs = [...this.#pairs].filter((_, i) => chosen(i));
    for (const pair of pairs) {
      pair.trap = kind;
      pair.sprung = false;
    }
    return pairs.length;
  }

  /** Delays every chunk, in both directions, from now on. */
  delay(ms: number): void {
    this.#latencyMs = ms;
  }

  /** No fault stays, but for connections that went silent: they are cut. */
  calm(): void {
    this.#latencyMs = 0;
    for (const pair of this.#pairs) {
      if (pair.trap === 'silence') destroy(pair);
      pair.trap = 'none';
    }
  }

  #accept(client: Socket): void {
    const server = connect({ port: this.#target, host: '127.0.0.1', noDelay: true });
    const pair: Pair = { client, server, trap: 'none', sprung: false };
    this.#pairs.add(pair);
    const end = (): void => {
      // the other side of a silent connection hears nothing of an end either
      if (pair.trap === 'silence' && !client.destroyed) return;
      destroy(pair);
      this.#pairs.delete(pair);
    };
    for (const socket of [client, server]) {
      socket.on('error', () => undefined);
      socket.on('close', end);
    }
    client.on('data', (bytes) => this.#pass(pair, server, bytes, () => this.#fromClient(pair)));
    server.on('data', (bytes) => this.#pass(pair, client, bytes, () => this.#fromServer(pair)));
  }

  #pass(pair: Pair, to: Socket, bytes: Buffer, isOpen: () => boolean): void {
    if (!isOpen()) return;
    const write = (): void => {
      if (!to.destroyed && pair.trap !== 'silence') to.write(bytes);
    };
    // timers of one delay fire in order; a delay that shrinks may not overtake
    const late = Math.max(this.#latencyMs, 0);
    if (late === 0 && this.#pending(pair) === 0) {
      write();
      return;
    }
    const queue = this.#queues.get(pair) ?? { waiting: 0, last: Promise.resolve() };
    this.#queues.set(pair, queue);
    queue.waiting += 1;
    const due = new Promise<void>((resolve) => setTimeout(resolve, late));
    queue.last = Promise.all([queue.last, due]).then(() => {
      queue.waiting -= 1;
      write();
    });
  }

  readonly #queues = new WeakMap<Pair, { waiting: number; last: Promise<void> }>();

  #pending(pair: Pair): number {
    return this.#queues.get(pair)?.waiting ?? 0;
  }

  #fromClient(pair: Pair): boolean {
    if (pair.trap === 'before') destroy(pair);
    if (pair.trap === 'after') pair.sprung = true;
    return pair.trap !== 'before' && pair.trap !== 'silence';
  }

  #fromServer(pair: Pair): boolean {
    if (pair.trap === 'after' && pair.sprung) {
      destroy(pair);
      return false;
    }
    return pair.trap !== 'silence';
  }
}

function destroy({ client, server }: Pair): void {
  client.destroy();
  server.destroy();
}
