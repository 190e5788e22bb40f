/** What is for operators alone, on a listener of its own: `/health`, `/ready`, `/metrics`. No request of a client comes this way. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { SchedulerError, messageOf } from '../base/errors.ts';
import { CONTENT_TYPE } from '../metrics/exposition.ts';
import type { Address } from './values.ts';

/** What is told to operators. */
export interface Operated {
  /** Why no traffic should come, a word each; empty: it may. */
  unready(): Promise<readonly string[]> | readonly string[];
  /** In the text format of Prometheus. */
  metricsText(): Promise<string> | string;
}

const TEXT = 'text/plain; charset=utf-8';
const LIMITS = { maxHeaderSize: 16_384, headersTimeout: 10_000, requestTimeout: 10_000 } as const;

export class Operators {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /**
   * @param operated what is told of; undefined: it has not started
   * @throws SchedulerError CONFIG if the address is taken or is none of this machine
   */
  static async open({ host, port }: Address, operated: () => Operated | undefined): Promise<Operators> {
    const server = createServer(LIMITS, (request, response) => {
      request.resume();
      answer(request, response, operated()).catch(() => response.destroy());
    });
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen({ host, port, exclusive: true }, resolve);
      });
    } catch (error) {
      const message = `cannot listen on ${host} port ${port}: ${messageOf(error)}`;
      throw new SchedulerError('CONFIG', 'listen', message, { cause: error });
    }
    return new Operators(server);
  }

  get address(): Address {
    const { address: host, port } = this.#server.address() as { address: string; port: number };
    return { host, port };
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}

async function answer(
  { method, url }: IncomingMessage,
  response: ServerResponse,
  operated: Operated | undefined,
): Promise<void> {
  const say = (status: number, text: string, type = TEXT): void => {
    const length = { 'content-length': String(Buffer.byteLength(text)), 'cache-control': 'no-store' };
    response.writeHead(status, { 'content-type': type, ...length });
    response.end(method === 'HEAD' ? undefined : text);
  };
  if (method !== 'GET' && method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    say(405, 'GET only\n');
    return;
  }
  switch ((url ?? '').split('?')[0]) {
    case '/health':
      say(200, 'ok\n');
      return;
    case '/ready': {
      const why = operated ? await operated.unready() : ['starting'];
      say(why.length === 0 ? 200 : 503, `${why.join(', ') || 'ready'}\n`);
      return;
    }
    case '/metrics':
      say(200, operated ? await operated.metricsText() : '', CONTENT_TYPE);
      return;
    default:
      say(404, 'there are /health, /ready and /metrics\n');
  }
}
