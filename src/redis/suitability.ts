import { LIMITS, troubleWith, type Limit, type Needs, type Trouble } from './limits.ts';
import { anyServer } from './cluster.ts';
import type { Client } from './run-script.ts';

/** The oldest Redis with every command the scripts use (ZMSCORE, ZADD LT, LPOP count). */
const OLDEST = [6, 2] as const;
/** Share of maxmemory from which an operator should act. */
const NEARLY_FULL = 0.8;
/** maxmemory should have room for so many requests of the largest size. */
const LARGEST = 4;

/** One thing of a server that decides whether it suits. */
export interface Finding {
  what: string;
  /** How it is; undefined: it may not be read (CONFIG is often denied). */
  found: string | undefined;
  /** What comes of it, if it does not suit, and what to do. */
  trouble?: Trouble;
}

/** What a server says of itself; undefined: it may not be read (CONFIG is often denied). */
export interface Facts {
  /** The reply of INFO. */
  info: string | undefined;
  settings: Readonly<Record<string, string | undefined>>;
}

const SETTINGS = ['maxmemory-policy', 'appendonly', 'save', 'lazyfree-lazy-expire', ...LIMITS] as const;

/** Asks a server for everything that sched-lua depends on, and for `more` settings. Changes nothing. */
export async function readFacts(client: Client, more: readonly string[] = []): Promise<Facts> {
  const server = await anyServer(client).catch(() => client);
  const info = await read(() => server.info());
  const setting = async (name: string): Promise<[string, string | undefined]> => [
    name,
    await read(async () => (await server.config('GET', name))[1]),
  ];
  return { info, settings: Object.fromEntries(await Promise.all([...SETTINGS, ...more].map(setting))) };
}

/**
 * Looks at everything of a server that sched-lua depends on.
 *
 * @param needs the options that the server's limits are compared with
 */
export function examine({ info = '', settings }: Facts, needs: Needs): Finding[] {
  const field = (name: string): string | undefined => new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(info)?.[1];
  const { 'maxmemory-policy': policy, appendonly, save, 'lazyfree-lazy-expire': lazy } = settings;
  const connected = Number(field('connected_clients'));
  return [
    ofVersion(field('redis_version'), field('valkey_version')),
    finding('role', field('role'), field('role') === 'slave', {
      why: 'this is a replica: it refuses every write',
      remedy: 'use the URL of its master',
      severity: 'broken',
    }),
    finding('maxmemory-policy', policy, policy !== 'noeviction', {
      why: `maxmemory-policy is ${policy}: Redis may drop requests`,
      remedy: 'set it to noeviction',
      command: 'CONFIG SET maxmemory-policy noeviction',
    }),
    ofMemory(Number(field('used_memory')), Number(field('maxmemory')), needs),
    ofPersistence(appendonly, save),
    finding('lazyfree-lazy-expire', lazy, lazy === 'no', {
      why: 'lazyfree-lazy-expire is no: a large shard that expires stalls Redis',
      remedy: 'set it to yes',
      command: 'CONFIG SET lazyfree-lazy-expire yes',
    }),
    ...LIMITS.map((limit) => ofLimit(limit, settings[limit], needs, connected)),
  ];
}

/** What an operator should know of this server, a line each; what may not be read is passed over. */
export function serverWarnings(facts: Facts, needs: Needs): string[] {
  const findings = examine(facts, needs);
  return findings.flatMap(({ trouble }) => (trouble ? [`${trouble.why}; ${trouble.remedy}`] : []));
}

function finding(
  what: Finding['what'],
  found: string | undefined,
  isBad: boolean,
  trouble: Trouble,
): Finding {
  return { what, found, ...(found !== undefined && isBad ? { trouble } : {}) };
}

/** Valkey tells the version of Redis whose commands it has, beside its own. */
function ofVersion(redis: string | undefined, valkey: string | undefined): Finding {
  const [major = 0, minor = 0] = (redis ?? '').split('.').map(Number);
  const isOld = major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]);
  const found = valkey === undefined ? redis && `Redis ${redis}` : `Valkey ${valkey}`;
  return finding('version', found, isOld, {
    why: `Redis ${major}.${minor} is too old`,
    remedy: `sched-lua needs ${OLDEST.join('.')} or newer`,
    severity: 'broken',
  });
}

function ofMemory(used: number, most: number, { maxBodyBytes }: Needs): Finding {
  if (Number.isNaN(used) || Number.isNaN(most)) return { what: 'memory', found: undefined };
  const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  if (most === 0) return { what: 'memory', found: `${megabytes(used)}, no maxmemory` };
  const found = `${megabytes(used)} of ${megabytes(most)}`;
  if (used / most < NEARLY_FULL && most < maxBodyBytes * LARGEST) {
    const largest = `${LARGEST} requests of maxBodyBytes (${megabytes(maxBodyBytes)})`;
    const why = `maxmemory is ${megabytes(most)}: ${largest} fill it`;
    const command = `CONFIG SET maxmemory ${LARGEST * maxBodyBytes}`;
    return finding('memory', found, true, { why, remedy: 'raise maxmemory, or lower maxBodyBytes', command });
  }
  return finding('memory', found, used / most >= NEARLY_FULL, {
    why: `${Math.round((used / most) * 100)} % of maxmemory are used: puts are refused when it is full`,
    remedy: 'raise maxmemory, or have less wait (maxWaiting)',
    command: `CONFIG SET maxmemory ${2 * most}`,
    ...(used >= most ? { severity: 'broken' } : {}),
  });
}

function ofPersistence(appendonly: string | undefined, save: string | undefined): Finding {
  const known = appendonly !== undefined && save !== undefined;
  const found = known ? `appendonly ${appendonly}, save ${save === '' ? 'never' : save}` : undefined;
  return finding('persistence', found, appendonly === 'no' && save === '', {
    why: 'Redis keeps nothing on disk: a restart loses what waits (owners put it again)',
    remedy: 'set appendonly yes',
    command: 'CONFIG SET appendonly yes',
  });
}

function ofLimit(what: Limit, found: string | undefined, needs: Needs, connected: number): Finding {
  const trouble = found === undefined ? undefined : troubleWith(what, found, needs, connected);
  return { what, found, ...(trouble ? { trouble } : {}) };
}

async function read<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch {
    return undefined;
  }
}
