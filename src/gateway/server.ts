/** An HTTP server that holds clients to bounds of time and size, and answers what is no HTTP like any other error. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { after } from '../base/clock.ts';
import { ApiError } from './api-error.ts';
import type { Address } from '../service/values.ts';

/** Times are ms, sizes bytes. */
export interface HttpLimits {
  /** From the connection, or the last answer, to the last header. */
  headersTimeout: number;
  /** The same to the last byte of the body. */
  requestTimeout: number;
  /** How long a connection without a request is kept: longer than load balancers do. */
  keepAliveTimeout: number;
  maxHeaderSize: number;
  /** How often the first two are looked at. */
  checkEvery: number;
}

const DEFAULTS: HttpLimits = {
  headersTimeout: 20_000,
  requestTimeout: 60_000,
  keepAliveTimeout: 75_000,
  maxHeaderSize: 16_384,
  checkEvery: 2_000,
};

export class HttpServer {
  readonly #server: Server;
  #isDraining = false;

  constructor(
    serve: (request: IncomingMessage, response: ServerResponse) => void,
    limits: Partial<HttpLimits> = {},
  ) {
    const { checkEvery, ...times } = { ...DEFAULTS, ...limits };
    this.#server = createServer({ ...times, connectionsCheckingInterval: checkEvery, noDelay: true }, serve);
    this.#server.on('request', (_, response: ServerResponse) => {
      if (this.#isDraining) response.shouldKeepAlive = false;
    });
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) =>
      answerRaw(error, socket),
    );
  }

  /** @throws Error if the address is taken or is none of this machine */
  async listen({ host, port }: Address): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
  }

  get address(): Address {
    const { address: host, port } = this.#server.address() as { address: string; port: number };
    return { host, port };
  }

  /** Each connection ends behind its next answer; connections without a request end now. */
  drain(): void {
    this.#isDraining = true;
    this.#server.closeIdleConnections();
  }

  /** Ends what is idle at once and everything else after `ms`. */
  async close(ms: number): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    const cancel = after(ms, () => this.#server.closeAllConnections());
    await closed;
    cancel();
  }
}

/** What is wrong, where Node has no request to answer. */
function answerRaw(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const told =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? new ApiError('headers_too_large', 'the headers are too large')
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? new ApiError('request_timeout', 'the request did not come in time')
        : new ApiError('bad_request', 'this is no HTTP request that can be read');
  const { status, body } = told;
  const head = [
    `HTTP/1.1 ${status} ${REASONS[status] ?? 'Error'}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}

const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
};
