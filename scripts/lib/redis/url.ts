import { messageOf } from '../../../src/base/errors.ts';
import { probe } from '../../../src/testing/redis/probe.ts';
import type { RedisServer } from './server.ts';

/** The URL as it may be printed: `***` for the password. */
export function redact(url: string): string {
  if (!URL.canParse(url)) return '(not a URL)';
  const parsed = new URL(url);
  if (parsed.password !== '') parsed.password = '***';
  // ioredis takes options, a password among them, from the query
  parsed.search = '';
  return parsed.href;
}

/**
 * Uses a server that is there already. Stopping it does nothing.
 *
 * @param from names where the URL came from, for the error
 * @throws if it does not answer within 5 s
 */
export async function useUrl(url: string, from: string): Promise<RedisServer> {
  if (!/^rediss?:\/\//.test(url) || !URL.canParse(url)) {
    throw new Error(`${from} must look like redis://host:port or rediss://user:password@host:port/db`);
  }
  try {
    const { program } = await probe(url, 5_000);
    return { url, kind: 'url', description: `${program} (${redact(url)})`, stop: () => Promise.resolve() };
  } catch (error) {
    throw new Error(`no Redis answers at ${redact(url)} (${from}): ${messageOf(error)}`, { cause: error });
  }
}
