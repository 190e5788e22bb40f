/**
 * What a worker answers to those that look after it: `/health`, `/ready` and `/metrics`. No request of a model comes this
 * way.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { METRICS_TYPE, metricsText, type WorkerFigures } from './metrics.ts';

export interface Looked {
  readonly figures: WorkerFigures;
  readonly unready: readonly string[];
}

export interface Address {
  host: string;
  port: number;
}

export class Listener {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param looked what is told of; undefined: it has not started */
  static async open({ host, port }: Address, looked: () => Looked | undefined): Promise<Listener> {
    const server = createServer({ maxHeaderSize: 16_384, requestTimeout: 10_000 }, (request, response) => {
      const { status, type, text } = answerTo(request.method, request.url, looked());
      request.resume();
      response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
      response.end(request.method === 'HEAD' ? undefined : text);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
    return new Listener(server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}

interface Page {
  status: number;
  type: string;
  text: string;
}

const JSON_TYPE = 'application/json';

function answerTo(method: string | undefined, url: string | undefined, looked: Looked | undefined): Page {
  const path = (url ?? '').split('?')[0];
  if (method !== 'GET' && method !== 'HEAD') return said(405, { error: 'only GET' });
  if (path === '/health') return said(200, { status: 'ok' });
  if (path === '/ready') {
    const why = looked?.unready ?? ['starting'];
    return said(why.length === 0 ? 200 : 503, { ready: why.length === 0, why });
  }
  if (path !== '/metrics') return said(404, { error: 'there are /health, /ready and /metrics' });
  return { status: 200, type: METRICS_TYPE, text: looked ? metricsText(looked.figures) : '' };
}

function said(status: number, value: object): Page {
  return { status, type: JSON_TYPE, text: `${JSON.stringify(value)}\n` };
}
