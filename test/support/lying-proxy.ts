// A TCP proxy that understands what it passes on to Redis, call by call, and does to it what networks and servers do:
// leads elsewhere, answers in the server's place, is slow, breaks.
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { sleep } from '../../src/base/clock.ts';

/** A call as it came: its words, and its bytes. */
interface Call {
  words: Buffer[];
  bytes: Buffer;
}

/**
 * `pass`: on to Redis. `break`: the connection ends without an answer. `break after`: the same, but Redis runs the call. A text: this error reply instead.
 */
export type Fate = 'pass' | 'break' | 'break after' | `-${string}`;

/** Cuts a stream of requests into calls: arrays of bulk strings, which is all that ioredis sends. */
class CallReader {
  #rest: Buffer = Buffer.alloc(0);
  readonly #chunks: Buffer[] = [];
  /** Bytes that are missing before it is worth while to look again. */
  #missing = 0;

  *read(chunk: Buffer): Generator<Call> {
    this.#chunks.push(chunk);
    this.#missing -= chunk.length;
    if (this.#missing > 0) return;
    this.#rest = Buffer.concat([this.#rest, ...this.#chunks.splice(0)]);
    this.#missing = 0;
    for (let call = this.#next(); call; call = this.#next()) yield call;
  }

  #next(): Call | undefined {
    const words: Buffer[] = [];
    let at = 0;
    const number = (): number | undefined => {
      const end = this.#rest.indexOf('\r\n', at);
      if (end < 0) return undefined;
      const value = Number(this.#rest.toString('latin1', at + 1, end));
      at = end + 2;
      return value;
    };
    const count = number();
    if (count === undefined) return undefined;
    for (let i = 0; i < count; i += 1) {
      const length = number();
      if (length === undefined) return undefined;
      this.#missing = Math.max(0, at + length + 2 - this.#rest.length);
      if (this.#missing > 0) return undefined;
      words.push(this.#rest.subarray(at, at + length));
      at += length + 2;
    }
    const bytes = this.#rest.subarray(0, at);
    this.#rest = this.#rest.subarray(at);
    return { words, bytes };
  }
}

export class LyingProxy {
  /** The port of this machine that new connections lead to. */
  target: number;
  /** Decides about every call before it is passed on. */
  fate: (words: readonly Buffer[]) => Fate = () => 'pass';
  /** What a new connection is told instead of being served. */
  greeting: string | undefined;
  /** How fast bytes go to Redis, on every connection by itself. */
  bytesPerSecond = Infinity;
  /** Connections so far. */
  connections = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(target: number) {
    this.target = target;
    this.#server = createServer({ noDelay: true }, (client) => this.#accept(client));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async open(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async close(): Promise<void> {
    this.cut();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  /** Every connection there is breaks. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(client: Socket): void {
    this.connections += 1;
    if (this.greeting !== undefined) {
      client.on('error', () => undefined);
      client.resume().end(`${this.greeting}\r\n`, () => client.destroy());
      return;
    }
    const server = connect({ port: this.target, host: '127.0.0.1', noDelay: true });
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
    server.pipe(client);
    const reader = new CallReader();
    client.on('data', (chunk) => {
      for (const { words, bytes } of reader.read(chunk)) this.#decide(client, server, words, bytes);
      if (this.bytesPerSecond === Infinity) return;
      client.pause();
      void sleep((chunk.length / this.bytesPerSecond) * 1_000).then(() => client.resume());
    });
  }

  #decide(client: Socket, server: Socket, words: readonly Buffer[], bytes: Buffer): void {
    const fate = this.fate(words);
    if (fate === 'break') client.destroy();
    else if (fate === 'pass') server.write(bytes);
    else if (fate === 'break after') {
      server.unpipe(client).once('data', () => client.destroy());
      server.write(bytes);
    } else server.write(inPlace(fate.slice(1)));
  }
}

/** A call that Redis answers with this error: so it comes in its place among the answers. */
function inPlace(error: string): string {
  const words = ['EVAL', 'return redis.error_reply(ARGV[1])', '0', error];
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
}

/** An open proxy for each test of the suite that calls this, after `useFleet`: nodes are closed first. */
export function useLyingProxy(target: () => number): { readonly proxy: LyingProxy } {
  const held: { proxy?: LyingProxy } = {};
  beforeEach(async () => {
    held.proxy = new LyingProxy(target());
    await held.proxy.open();
  });
  afterEach(() => held.proxy!.close());
  return {
    get proxy(): LyingProxy {
      return held.proxy!;
    },
  };
}

/** Whether a call runs a script, by what it is told: `text` is one of its words, or stands in one. */
export function runsScript(words: readonly Buffer[], text = ''): boolean {
  return /^eval/i.test(String(words[0])) && words.some((word) => word.includes(text));
}
