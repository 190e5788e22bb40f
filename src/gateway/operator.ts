/** What is for operators alone, on a listener of its own: `/health`, `/ready`, `/metrics`. */
import type { IncomingMessage, ServerResponse } from 'node:http';

export interface OperatorFacts {
  /** Why no traffic should come; undefined: it may. */
  ready: () => Promise<string | undefined>;
  /** In the text format of Prometheus. */
  metrics: () => string;
}

export async function operatorAnswer(
  { method, url }: IncomingMessage,
  response: ServerResponse,
  { ready, metrics }: OperatorFacts,
): Promise<void> {
  const isRead = method === 'GET' || method === 'HEAD';
  const path = isRead ? (url ?? '').split('?')[0] : undefined;
  const answer = (status: number, text: string, type = 'text/plain; charset=utf-8'): void => {
    response.writeHead(status, { 'content-type': type, 'content-length': String(Buffer.byteLength(text)) });
    response.end(method === 'HEAD' ? undefined : text);
  };
  switch (path) {
    case '/health':
      answer(200, 'ok\n');
      return;
    case '/ready': {
      const problem = await ready();
      answer(problem === undefined ? 200 : 503, `${problem ?? 'ready'}\n`);
      return;
    }
    case '/metrics':
      answer(200, metrics(), 'text/plain; version=0.0.4; charset=utf-8');
      return;
    default:
      answer(404, 'there are /health, /ready and /metrics\n');
  }
}
