/** The calls of an engine that the gateway takes, and no others. All are POST. */
export const ROUTES = [
  '/v1/chat/completions',
  '/v1/completions',
  '/v1/embeddings',
  '/v1/rerank',
  '/v1/score',
  '/v1/messages',
  '/v1/responses',
  '/tokenize',
] as const;

export type Route = (typeof ROUTES)[number];

export function isRoute(path: string): path is Route {
  return (ROUTES as readonly string[]).includes(path);
}
