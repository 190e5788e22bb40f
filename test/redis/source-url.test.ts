// What a URL, an object or an array says of where Redis is; and what says it in no way that is known is refused, unshown.
import { inspect } from 'node:util';
import { expect } from 'chai';
import { Cluster, Redis } from 'ioredis';
import { ConfigError, type RedisSource } from '../../src/index.ts';
import { describeRedis, readSource } from '../../src/redis/source.ts';
import { hidePassword } from '../../src/redis/source-url.ts';

const SECRET = 'p@ss:w/r?d#%2F';
const ENCODED = encodeURIComponent(SECRET);
const USER = { username: 'app', password: SECRET };
const [ONE, TWO] = [
  { host: 'h1', port: 7001 },
  { host: 'h2', port: 6379 },
];

const server = (options: object): object => ({ kind: 'server', options });
const cluster = (redisOptions: object, others: object = {}): object => ({
  kind: 'nodes',
  nodes: [ONE, TWO],
  options: { ...others, redisOptions },
});

function refusal(source: unknown): ConfigError {
  try {
    readSource(source);
  } catch (error) {
    expect(error).to.be.instanceOf(ConfigError);
    return error as ConfigError;
  }
  throw new Error(`it was taken: ${inspect(source)}`);
}

describe('where Redis is', () => {
  const urls: Readonly<Record<string, object>> = {
    'redis://h1:7001': server(ONE),
    'REDIS://h2': server(TWO),
    'redis://h2/': server(TWO),
    'redis://h2/3': server({ ...TWO, db: 3 }),
    'redis://h2?db=3&family=6': server({ ...TWO, db: 3, family: 6 }),
    'redis://[::1]:7001/2': server({ host: '::1', port: 7001, db: 2 }),
    'redis://app@h2': server({ ...TWO, username: 'app' }),
    'redis://:pw@h2': server({ ...TWO, username: '', password: 'pw' }),
    'redis://app:p@w:x@h2': server({ ...TWO, username: 'app', password: 'p@w:x' }),
    [`redis://app:${ENCODED}@h2`]: server({ ...TWO, ...USER }),
    [`redis://h2?username=app&password=${ENCODED}`]: server({ ...TWO, ...USER }),
    [`rediss://app:${ENCODED}@h1:7001/1`]: server({ ...ONE, ...USER, tls: {}, db: 1 }),
    'redis+cluster://h1:7001,h2': cluster({}),
    'redis+cluster://h1:7001,h2/0': cluster({}),
    [`rediss+cluster://app:${ENCODED}@h1:7001,h2`]: cluster({ ...USER, tls: {} }),
    'redis+sentinel://h1:7001,h2/fleet': server({
      sentinels: [ONE, { host: 'h2', port: 26_379 }],
      name: 'fleet',
    }),
    [`rediss+sentinel://app:${ENCODED}@h1:7001/my%20fleet/2?sentinelPassword=${ENCODED}`]: server({
      ...USER,
      tls: {},
      sentinelPassword: SECRET,
      sentinelTLS: {},
      enableTLSForSentinelMode: true,
      sentinels: [ONE],
      name: 'my fleet',
      db: 2,
    }),
    'unix:///run/r.sock': server({ path: '/run/r.sock' }),
    [`unix://app:${ENCODED}@/run/r%20s.sock?db=2`]: server({ ...USER, path: '/run/r s.sock', db: 2 }),
  };
  for (const [url, place] of Object.entries(urls))
    it(`reads ${hidePassword(url)}`, () => {
      expect(readSource(url)).to.deep.equal(place);
      expect(describeRedis(url)).not.to.include(ENCODED);
    });

  const objects: readonly [what: string, source: () => RedisSource, place: object][] = [
    ['an array of nodes', () => [ONE, TWO], cluster({})],
    ['an array of host:port', () => ['h1:7001', 'h2'], cluster({})],
    [
      'an array of URLs, whose user is that of all nodes',
      () => [`rediss://app:${ENCODED}@h1:7001`, 'rediss://h2'],
      cluster({ ...USER, tls: {} }),
    ],
    [
      'ports of this machine',
      () => [7001],
      { kind: 'nodes', nodes: [{ host: '127.0.0.1', port: 7001 }], options: { redisOptions: {} } },
    ],
    [
      'a Cluster with options of both kinds',
      () => ({ cluster: [ONE, TWO], ...USER, tls: { ca: 'ca' }, connectTimeout: 5, maxRedirections: 20 }),
      cluster({ ...USER, tls: { ca: 'ca' }, connectTimeout: 5 }, { maxRedirections: 20 }),
    ],
    [
      'sentinels, with TLS for the master if there is any',
      () => ({ sentinels: [ONE], name: 'fleet', tls: {} }),
      server({ sentinels: [ONE], name: 'fleet', tls: {}, enableTLSForSentinelMode: true }),
    ],
    ['options without a place: those of localhost', () => ({ db: 3 }), server({ db: 3 })],
    [
      'options that ioredis does not know, beside a place',
      () => ({ ...ONE, x: 1 }) as never,
      server({ ...ONE, x: 1 }),
    ],
  ];
  for (const [what, source, place] of objects)
    it(`reads ${what}`, () => {
      expect(readSource(source())).to.deep.equal(place);
      expect(describeRedis(source())).not.to.include(SECRET);
    });

  const badUrls: Readonly<Record<string, RegExp>> = {
    [`http://app:${SECRET}@h`]:
      /allowed is a URL that begins with redis:\/\/, .*rediss\+sentinel:\/\/ or unix:\/\/\/$/,
    '/run/r.sock': /allowed is a URL/,
    'redis://app:s3cr3t/x@h2': /no host, or no port/,
    'redis://app:s3cr3t#x@h2': /encode @ : \/ \? # and %/,
    'redis://app:s3cr3t%@h2': /encode/,
    'redis://h2/s3cr3t': /number of a database/,
    'redis://h2/1?db=2': /two databases/,
    'redis://': /no host/,
    'redis://app:s3cr3t@': /no host/,
    'redis://h2:0': /port/,
    'redis://h2:65536': /port/,
    'redis://h1,h2': /redis\+cluster:\/\/ or by redis\+sentinel:\/\//,
    'redis+cluster://h1,h2/1': /only database 0/,
    'redis+cluster://h1,h2?db=1': /only database 0/,
    'redis+cluster://h1,,h2': /no host/,
    'redis+cluster://': /no host/,
    'redis+sentinel://h1,h2': /name of the master/,
    'redis+sentinel://h1,h2/': /name of the master/,
    'redis+sentinel://h1/fleet/s3cr3t': /number of a database/,
    'unix://run/r.sock': /three slashes/,
    'unix:///': /three slashes/,
    'rediss://h2?rejectUnauthorized=s3cr3t': /knows no parameter \?rejectUnauthorized, there are db, /,
    'redis://h2?db=s3cr3t': /\?db is no number/,
    'redis://h2?__proto__=s3cr3t': /knows no parameter/,
    'redis://h2?sentinelPassword=s3cr3t': /belong to redis\+sentinel/,
    'redis://h2?keyPrefix=x': /topic keeps fleets apart/,
  };
  for (const [url, message] of Object.entries(badUrls))
    it(`refuses ${hidePassword(url)}`, () => {
      const error = refusal(url);
      expect(error.message).to.match(message);
      for (const secret of ['s3cr3t', SECRET])
        expect(inspect(error, { depth: Infinity })).not.to.include(secret);
    });

  const lazy = { lazyConnect: true };
  const bad: readonly [what: string, source: () => unknown, option: string][] = [
    ['no nodes', () => [], 'cluster'],
    ['{ cluster: true }', () => ({ cluster: true }), 'cluster'],
    ['nodes of another library', () => ({ nodes: [ONE] }), 'nodes'],
    ["ioredis' startupNodes as an option", () => ({ startupNodes: [ONE], cluster: true }), 'startupNodes'],
    ['rootNodes', () => ({ rootNodes: [{ url: `redis://:${SECRET}@h` }] }), 'rootNodes'],
    ['a node without a place', () => [{ url: `redis://:${SECRET}@h` }], 'cluster'],
    ['a node with a bad port', () => [{ host: 'h', port: 'x' }], 'cluster'],
    ['a node that is null', () => [null], 'cluster'],
    ['a node that is a Cluster itself', () => ['redis+cluster://h1,h2'], 'cluster'],
    ['a Cluster and a host', () => ({ cluster: [ONE], host: 'h' }), 'host'],
    ['a database of a Cluster', () => ({ cluster: [ONE], db: 1 }), 'db'],
    ['a database of a node', () => ['redis://h/1'], 'db'],
    ['a database of a Cluster client', () => new Cluster([ONE], { ...lazy, redisOptions: { db: 1 } }), 'db'],
    ['a prefix of a Cluster', () => ({ cluster: [ONE], keyPrefix: 'x' }), 'keyPrefix'],
    ['a prefix of a client', () => new Redis({ ...lazy, keyPrefix: 'x' }), 'keyPrefix'],
    ['sentinels without a name', () => ({ sentinels: [ONE] }), 'name'],
    ['a name without sentinels', () => ({ name: 'fleet' }), 'name'],
    ['no sentinels', () => ({ sentinels: [], name: 'fleet' }), 'sentinels'],
    ['a sentinel without a place', () => ({ sentinels: [{ ip: SECRET }], name: 'fleet' }), 'sentinels'],
    ['a misspelt place', () => ({ hots: SECRET }), 'hots'],
    ['options of nobody', () => ({ endpoint: SECRET }), 'endpoint'],
  ];
  for (const [what, source, option] of bad)
    it(`refuses ${what}`, () => {
      const error = refusal(source());
      expect(error.option).to.equal(`redis.${option}`);
      expect(inspect(error, { depth: Infinity })).not.to.include(SECRET);
    });
});
