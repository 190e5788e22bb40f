import { expect } from 'chai';
import { useOwnRedis } from '../support/own-redis.ts';
import { runCli } from './support.ts';

describe('sched-lua doctor', () => {
  const redis = useOwnRedis(['--lazyfree-lazy-expire', 'yes', '--appendonly', 'yes']);

  afterEach(async () => {
    await redis.admin.call('ACL', 'SETUSER', 'default', '+config');
    await redis.admin.config('SET', 'maxmemory', '0');
    await redis.admin.config('SET', 'maxmemory-policy', 'noeviction');
    await redis.admin.config('SET', 'lazyfree-lazy-expire', 'yes');
  });

  it('is content with a server that is set up well, and says what it found', async () => {
    const { code, stdout, stderr } = await runCli(['doctor'], redis.url);
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
    const rows = stdout.trimEnd().split('\n');
    expect(rows[0]).to.match(/^STATE +WHAT +FOUND$/);
    expect(rows.slice(1).map((row) => row.split(/ +/).slice(0, 2).join(' '))).to.deep.equal([
      ...[
        'ok version',
        'ok role',
        'ok maxmemory-policy',
        'ok memory',
        'ok persistence',
        'ok lazyfree-lazy-expire',
        'ok client-query-buffer-limit',
        'ok proto-max-bulk-len',
        'ok client-output-buffer-limit',
        'ok timeout',
        'ok maxclients',
      ],
    ]);
    expect(stdout).to.match(/^ok +version +(Redis|Valkey) \d+\.\d+\.\d+$/m);
    expect(stdout).to.match(/^ok +memory +\d+\.\d MiB, no maxmemory$/m);
  });

  it('explains what does not suit, with exit code 1, as text and as JSON', async () => {
    await redis.admin.config('SET', 'maxmemory-policy', 'allkeys-lru');
    await redis.admin.config('SET', 'lazyfree-lazy-expire', 'no');
    const { code, stdout, stderr } = await runCli(['doctor'], redis.url);
    expect(code).to.equal(1);
    expect(stdout).to.match(/^bad +maxmemory-policy +allkeys-lru$/m);
    expect(stdout).to.match(/^maxmemory-policy is allkeys-lru: .*; set it to noeviction$/m);
    expect(stdout).to.match(/^lazyfree-lazy-expire is no: .*; set it to yes$/m);
    expect(stderr).to.equal('sched-lua: 2 of 11 findings not as it should be\n');

    const json = (await runCli(['doctor', '--json'], redis.url)).json();
    expect(json.error?.code).to.equal('UNSUITABLE');
    expect(json.findings).to.deep.include({
      what: 'maxmemory-policy',
      found: 'allkeys-lru',
      state: 'bad',
      trouble: {
        why: 'maxmemory-policy is allkeys-lru: Redis may drop requests',
        remedy: 'set it to noeviction',
      },
    });
  });

  it('warns before the memory is full', async () => {
    const [, used] = /used_memory:(\d+)/.exec(await redis.admin.info('memory'))!;
    await redis.admin.config('SET', 'maxmemory', String(Math.round(Number(used) * 1.1)));
    const { code, stdout } = await runCli(['doctor'], redis.url);
    expect(code).to.equal(1);
    expect(stdout).to.match(/^bad +memory +\d+\.\d MiB of \d+\.\d MiB$/m);
    expect(stdout).to.match(/^\d+ % of maxmemory are used: .*; raise maxmemory/m);
  });

  it('says what it may not read, and does not take it for bad', async () => {
    await redis.admin.call('ACL', 'SETUSER', 'default', '-config');
    const { code, stdout, stderr } = await runCli(['doctor'], redis.url);
    expect(code).to.equal(0);
    expect(stdout).to.match(/^unknown +maxmemory-policy +may not be read$/m);
    expect(stderr).to.match(
      /^note: this user may not read maxmemory-policy, persistence, lazyfree-lazy-expire, client-query-buffer-limit/,
    );
  });

  it('tells a replica from a master', async () => {
    await redis.admin.call('REPLICAOF', '127.0.0.1', '1');
    try {
      const { code, stdout } = await runCli(['doctor'], redis.url);
      expect(code).to.equal(1);
      expect(stdout).to.match(/^bad +role +slave$/m);
      expect(stdout).to.match(/^this is a replica: it refuses every write; use the URL of its master$/m);
    } finally {
      await redis.admin.call('REPLICAOF', 'NO', 'ONE');
    }
  });
});
