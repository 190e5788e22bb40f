/** A TCP proxy in front of Redis that breaks connections where it hurts. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Commands, isOfShard, isScript } from './commands.ts';
import { Pipe, type Link } from './pipe.ts';

/** What is to happen to a connection next. */
export type Trap = 'before' | 'after' | 'silence' | 'readonly';

interface Pair {
  client: Socket;
  server: Socket;
  trap: Trap | undefined;
  /** `after` has let the command through: the next reply is lost. */
  sprung: boolean;
}

const READONLY = "READONLY You can't write against a read only replica.";
const CLUSTERDOWN = 'CLUSTERDOWN Hash slot not served';

export class Proxy {
  readonly #target: number;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  readonly #link: Link = { latencyMs: 0, bytesPerSecond: undefined };
  /** Load shard that no server serves. */
  #lostShard: number | undefined;

  /** @param target the port of Redis on this machine */
  constructor(target: number) {
    this.#target = target;
    this.#server = createServer({ noDelay: true }, (client) => this.#accept(client));
  }

  /** Answers the proxy's URL. */
  async open(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this.url;
  }

  /** Known once it is open. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Known once it is open. */
  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
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
   * told; it stays like that until the client gives up. `readonly`: every script is answered READONLY, as by a master
   * that became a replica behind an address that a new one has now; it stays like that until the client leaves.
   */
  trap(kind: Trap, chosen: (index: number) => boolean): number {
    // of a silent one bytes are lost already: it is silent for good, and then cut
    const pairs = [...this.#pairs].filter(({ trap }, i) => chosen(i) && trap !== 'silence');
    for (const pair of pairs) {
      pair.trap = kind;
      pair.sprung = false;
    }
    return pairs.length;
  }

  /** Delays every chunk, in both directions, from now on. */
  delay(ms: number): void {
    this.#link.latencyMs = ms;
  }

  /** From now on so many bytes per second come through in each direction of each connection; undefined: all. */
  throttle(bytesPerSecond: number | undefined): void {
    this.#link.bytesPerSecond = bytesPerSecond;
  }

  /** Every command on the keys of this load shard is refused as a Cluster does whose master is away; undefined: none. */
  loseShard(shard: number | undefined): void {
    this.#lostShard = shard;
  }

  /** No fault stays, but for connections that went silent: they are cut; and those that lie: a client must leave them. */
  calm(): void {
    this.#link.latencyMs = 0;
    this.#link.bytesPerSecond = undefined;
    this.#lostShard = undefined;
    for (const pair of this.#pairs) {
      if (pair.trap === 'silence') destroy(pair);
      if (pair.trap !== 'readonly') pair.trap = undefined;
    }
  }

  #accept(client: Socket): void {
    const server = connect({ port: this.#target, host: '127.0.0.1', noDelay: true });
    const pair: Pair = { client, server, trap: undefined, sprung: false };
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
    const commands = new Commands((args) => this.#refuse(pair, args));
    new Pipe(client, this.#link, (bytes) => {
      if (this.#fromClient(pair)) write(server, commands.push(bytes));
    });
    new Pipe(server, this.#link, (bytes) => {
      if (this.#fromServer(pair)) write(client, bytes);
    });
  }

  #refuse({ trap }: Pair, args: readonly Buffer[]): string | undefined {
    if (trap === 'readonly' && isScript(args)) return READONLY;
    return this.#lostShard !== undefined && isOfShard(args, this.#lostShard) ? CLUSTERDOWN : undefined;
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

function write(to: Socket, bytes: Buffer): void {
  if (bytes.length > 0 && !to.destroyed) to.write(bytes);
}

function destroy({ client, server }: Pair): void {
  client.destroy();
  server.destroy();
}
