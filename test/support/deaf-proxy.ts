// A proxy in front of Redis that swallows wake-ups: what a ring costs that gets lost.
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export type Ring = 'claim' | 'results' | 'refresh';

/** Up to the message, of which it captures the length and what it says to do. What a message carries may be any bytes. */
const MESSAGE = /[*>]3\r\n\$7\r\nmessage\r\n\$\d+\r\n[^\r]*:wake:[^\r]*\r\n\$(\d+)\r\n(?=(\w+) )/g;

export class DeafProxy {
  /** Wake-ups of these kinds do not come through. */
  readonly deafTo = new Set<Ring>();
  swallowed = 0;
  readonly #server = createServer({ noDelay: true }, (client) => this.#accept(client));
  readonly #sockets = new Set<Socket>();
  #target = 0;

  get url(): string {
    return `redis://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** @param url of the server behind it */
  async open(url: string): Promise<void> {
    this.#target = Number(new URL(url).port);
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  #accept(client: Socket): void {
    const server = connect({ port: this.#target, host: '127.0.0.1', noDelay: true });
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    client.on('data', (bytes) => server.write(bytes));
    server.on('data', (bytes) => client.write(this.#withoutRings(bytes)));
  }

  #withoutRings(bytes: Buffer): Buffer {
    if (this.deafTo.size === 0) return bytes;
    const heard: Buffer[] = [];
    let from = 0;
    for (const message of bytes.toString('latin1').matchAll(MESSAGE)) {
      const [head, length, what] = message;
      if (!this.deafTo.has(what as Ring)) continue;
      this.swallowed += 1;
      heard.push(bytes.subarray(from, message.index));
      from = message.index + head.length + Number(length) + '\r\n'.length;
    }
    return Buffer.concat([...heard, bytes.subarray(from)]);
  }
}

/** For the suite that calls this: a proxy per test. */
export function useDeafProxy(url: () => string): () => DeafProxy {
  let proxy: DeafProxy;
  beforeEach(async () => {
    proxy = new DeafProxy();
    await proxy.open(url());
  });
  afterEach(() => proxy.close());
  return () => proxy;
}
