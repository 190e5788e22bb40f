import type { Client } from './script.ts';

/** The oldest Redis with every command the scripts use (ZMSCORE, ZADD LT, LPOP count). */
const OLDEST = [6, 2] as const;

/**
 * What an operator should know of this server. Settings that may not be read (CONFIG is often denied) are passed over.
 */
export async function serverWarnings(client: Client): Promise<string[]> {
  const warnings: string[] = [];
  const info = await read(() => client.info('server'));
  const version = /redis_version:(\d+)\.(\d+)/.exec(info ?? '');
  if (version) {
    const [major, minor] = [Number(version[1]), Number(version[2])];
    if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
      warnings.push(`Redis ${major}.${minor} is too old: sched-lua needs ${OLDEST.join('.')} or newer`);
    }
  }
  const setting = async (name: string): Promise<string | undefined> =>
    read(async () => (await client.config('GET', name))[1]);
  const policy = await setting('maxmemory-policy');
  if (policy !== undefined && policy !== 'noeviction') {
    warnings.push(`maxmemory-policy is ${policy}: Redis may drop requests; set it to noeviction`);
  }
  const [appendonly, save] = [await setting('appendonly'), await setting('save')];
  if (appendonly === 'no' && save === '') {
    warnings.push(
      'Redis keeps nothing on disk: a restart loses what waits (owners put it again); set appendonly yes',
    );
  }
  if ((await setting('lazyfree-lazy-expire')) === 'no') {
    warnings.push('lazyfree-lazy-expire is no: a large shard that expires stalls Redis; set it to yes');
  }
  return warnings;
}

async function read<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch {
    return undefined;
  }
}
