// `sched-lua acl`, whose operator can do everything on the command line, and `sched-lua doctor <topic>`, which tries users.
import { expect } from 'chai';
import { rightsOf } from '../../src/redis/rights.ts';
import { shardKey } from '../../src/base/keys.ts';
import { exemptFromTtlCheck, freshTopic } from '../support/server.ts';
import { UNTIMED, useOwnRedis } from '../support/own-redis.ts';
import { deadEntry, runCli, seedNode, withClient, type Outcome } from './support.ts';

const WORD = 'a-word-nobody-shows';

describe('sched-lua acl', function () {
  this.timeout(240_000);
  const redis = useOwnRedis(['--lazyfree-lazy-expire', 'yes', '--appendonly', 'yes', ...UNTIMED]);

  const urlOf = (user: string): string => redis.url.replace('redis://', `redis://${user}:${WORD}@`) + '/1';
  const setUser = async (line: string): Promise<void> => {
    const [, , user] = line.split(' ');
    await redis.admin.call('ACL', 'DELUSER', user!);
    await redis.admin.call(...(line.split(' ') as [string, ...string[]]));
    await redis.admin.call('ACL', 'SETUSER', user!, `>${WORD}`);
  };

  it('prints one line that the server takes as it is, and says on stderr that no password is in it', async () => {
    const { code, stdout, stderr } = await runCli(['acl', 'chat'], 'redis://nobody.invalid:1');
    expect(code).to.equal(0);
    expect(stdout.trimEnd().split('\n')).to.have.length(1);
    expect(stdout).to.match(
      /^ACL SETUSER chat-application on resetkeys resetchannels -@all ~\{chat\}:\* ~\{chat\.\?\?\?\}:\* &\{chat\}:wake:\* \+/,
    );
    expect(stderr).to.match(/^note: a new user has no password/);
    await setUser(stdout.trim());
    expect(await redis.admin.call('ACL', 'GETUSER', 'chat-application')).to.be.an('array');
    // again, as after an upgrade: the password stays
    await redis.admin.call(...(stdout.trim().split(' ') as [string, ...string[]]));
    const doctor = await runCli(['status', 'chat'], urlOf('chat-application').replace(/\/1$/, ''));
    expect(doctor.stderr).to.not.match(/WRONGPASS|NOAUTH/);
  });

  it('has a role, a name, a form for a Cluster and one for Redis 6.2; and JSON', async () => {
    const line = async (...args: string[]): Promise<string> =>
      (await runCli(['acl', 'chat', ...args])).stdout;
    expect(await line('--name', 'app')).to.match(/^ACL SETUSER app on /);
    expect(await line('--role', 'operator')).to.match(/^ACL SETUSER chat-operator on .* \+pexpiretime /);
    expect(await line('--role', 'operator', '--before-7')).to.not.match(/pexpiretime|dryrun/);
    expect(await line())
      .to.match(/ \+select /)
      .and.not.match(/cluster/);
    expect(await line('--cluster'))
      .to.match(/ \+asking \+cluster\|info \+cluster\|slots /)
      .and.not.match(/select/);
    const json = (await runCli(['acl', 'chat', '--json'])).json();
    expect(json).to.include({ ok: true, topic: 'chat', role: 'application', user: 'chat-application' });
    expect(json['line']).to.equal((await line()).trim());
    expect(json['rules']).to.deep.equal(['on', ...rightsOf({ topic: 'chat', role: 'application' })]);
  });

  it('refuses what is no topic, no role and no name of a user', async () => {
    for (const args of [
      ['a.b'],
      ['a*'],
      ['a', '--role', 'root'],
      ['a', '--name', 'two words'],
      ['a', '--name', ''],
    ]) {
      const { code, stdout } = await runCli(['acl', ...args]);
      expect({ code, stdout }, args.join(' ')).to.deep.equal({ code: 2, stdout: '' });
    }
  });

  describe('whose operator', () => {
    /** What the commands say beside their answers, or that one fails; what the server refused. Ends at the first. */
    async function troublesOf(topic: string): Promise<string[]> {
      const troubles: string[] = [];
      const { warn } = console;
      console.warn = (message: string) => void troubles.push(message);
      const key = shardKey(topic, 0, 'dead');
      const url = urlOf('op');
      const entry = await redis.admin.xadd(
        ...deadEntry(key, { id: 'r', body: Buffer.from('{"request_id":"r"}') }),
      );
      await redis.admin.xadd(...deadEntry(key, { id: 'other' }));
      await redis.admin.pexpire(key, 600_000);
      try {
        for (const args of [
          ['dead', 'retry', `0:${entry!}`, topic, '--no-wait'],
          ['dead', 'show', 'other', topic],
          ['dead', 'ls', topic],
          ['dead', 'drop', '--all', topic],
          ['status', topic],
          ['verify', topic],
          ['load'],
          ['load', '--check'],
          ['doctor', '--over', '0'],
          ['doctor', topic, '--role', 'operator', '--over', '0'],
          ['doctor', topic, '--try', 'default', '--over', '0'],
        ]) {
          const { code, stdout, stderr } = await runCli([...args, '--timeout', '4000'], url);
          expect(stdout + stderr).to.not.include(WORD);
          // what is wrong with the topic is no matter here
          const ofTopic = args[0] === 'doctor' && args[1] === topic;
          const isFine = ofTopic
            ? /^ok +rights /m.test(stdout) && !stderr.includes('note: ')
            : code === 0 && stderr === '';
          if (!isFine) troubles.push(`${args.join(' ')}: ${code} ${stderr} ${stdout}`);
          const log = (await redis.admin.call('ACL', 'LOG')) as (string | number)[][];
          for (const [, , , reason, , , , object] of log)
            if (!/^client\||^sched-lua:topics$|^zremrangebyrank$/.test(String(object)))
              troubles.push(`${String(reason)} ${String(object)}`);
          if (troubles.length > 0) break;
        }
      } finally {
        console.warn = warn;
      }
      return troubles;
    }

    // one of its own for each test: what a retry put is there until somebody runs it
    let topic = '';
    beforeEach(async () => {
      topic = freshTopic();
      exemptFromTtlCheck(topic);
      await redis.admin.select(1);
      await withClient(`${redis.url}/1`, async (client) => {
        await seedNode(client, topic, 'a', 1, { puts: 3, claims: 1 });
      });
    });
    afterEach(() => redis.admin.select(0));
    beforeEach(async () => {
      await redis.admin.script('FLUSH');
      await redis.admin.call('ACL', 'LOG', 'RESET');
    });

    it('can do everything that the command line does', async () => {
      await setUser((await runCli(['acl', topic, '--role', 'operator', '--name', 'op'])).stdout.trim());
      expect(await troublesOf(topic)).to.deep.equal([]);
    });

    for (const rule of rightsOf({ topic: 'TOPIC', role: 'operator' }).filter((one) => /^[~&+]/.test(one)))
      it(`needs ${rule.replace('TOPIC', '<topic>')}`, async () => {
        const line = (await runCli(['acl', topic, '--role', 'operator', '--name', 'op'])).stdout.trim();
        const less = line.split(' ').filter((word) => word !== rule.replace('TOPIC', topic));
        expect(less).to.have.length(line.split(' ').length - 1);
        await setUser(less.join(' '));
        expect(await troublesOf(topic)).to.not.deep.equal([]);
      });
  });

  describe('and doctor', () => {
    const doctor = (...args: string[]): Promise<Outcome> =>
      runCli(['doctor', '--over', '0', ...args], redis.url);

    it('names what a user lacks, with exit code 2, and what prints it', async () => {
      await setUser((await runCli(['acl', 'chat', '--name', 'app'])).stdout.trim());
      const fine = await doctor('chat', '--try', 'app');
      expect({ code: fine.code, stderr: fine.stderr }).to.deep.equal({ code: 0, stderr: '' });
      expect(fine.stdout).to.match(/^ok +rights +app has the \d+ rights of the application$/m);
      await redis.admin.call('ACL', 'SETUSER', 'app', '-zadd', '-subscribe', 'resetchannels');
      const lacking = await doctor('chat', '--try', 'app');
      expect(lacking.code).to.equal(2);
      expect(lacking.stdout).to.match(/^broken +rights +app lacks &\{chat\}:wake:\* \+subscribe \+zadd$/m);
      expect(lacking.stdout.replace(/\s+/g, ' ')).to.match(
        /=> "sched-lua acl chat --role application" prints all that it needs: sched-lua acl chat --role application --name app \| redis-cli /,
      );
    });

    it('tells a user of another topic, and one of some shards only, from a good one', async () => {
      await setUser((await runCli(['acl', 'chat', '--name', 'app'])).stdout.trim());
      const other = (await doctor('other', '--try', 'app', '--json')).json();
      expect(JSON.stringify(other['findings'])).to.include('~{other.???}:*').and.include('~{other}:*');
      await redis.admin.call('ACL', 'SETUSER', 'app', 'resetkeys', '~{chat}:*', '~{chat.06S}:*');
      const some = await doctor('chat', '--try', 'app');
      expect(some.stdout).to.match(/^broken +rights +app lacks ~\{chat\.\?\?\?\}:\*$/m);
    });

    it('says that there is no such user, and that it may not ask', async () => {
      const nobody = await doctor('chat', '--try', 'nobody');
      expect(nobody.code).to.equal(1);
      expect(nobody.stderr).to.match(/User 'nobody' not found/);
      await setUser((await runCli(['acl', 'chat', '--name', 'app'])).stdout.trim());
      const mute = await runCli(['doctor', 'chat', '--over', '0'], urlOf('app').replace(/\/1$/, ''));
      expect(mute.code).to.equal(0);
      expect(mute.stdout).to.match(/^unknown +rights +may not be read$/m);
      expect((await runCli(['doctor', '--try', 'app'], redis.url)).code).to.equal(2);
    });
  });
});
