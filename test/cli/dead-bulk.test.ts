// `sched-lua dead retry` and `drop` of many, and how long a retry waits.
import { expect } from 'chai';
import { request, room, take, useFleet, type Node } from '../support/fleet.ts';
import { waitUntil } from '../support/server.ts';
import { deadEntry, runCli } from './support.ts';

const MINUTE = 60_000;

describe('sched-lua dead, with a filter', () => {
  const fleet = useFleet();
  const cli = (...args: string[]) => runCli(['dead', ...args], fleet.url);
  const ids = async (...filter: string[]): Promise<string[]> => {
    const { entries } = (await cli('ls', fleet.topic, ...filter, '--json')).json();
    return (entries as { id: string }[]).map(({ id }) => id);
  };
  const bury = async (one: Omit<Parameters<typeof deadEntry>[1], 'body'>): Promise<void> => {
    const body = Buffer.from(JSON.stringify(request(one.id)));
    await fleet.redis.xadd(...deadEntry(fleet.key('dead'), { ...one, body }));
  };

  /** Five entries of two owners, of four kinds, some old. */
  async function seed(): Promise<void> {
    const now = Date.now();
    await bury({ id: 'v', owner: 'a', kind: 'expired', at: now - 90 * MINUTE });
    await bury({ id: 'w', owner: 'b', kind: 'lost', at: now - 60 * MINUTE });
    await bury({ id: 'x', owner: 'a', kind: 'failed', error: 'CUDA out of memory', at: now - 10 * MINUTE });
    await bury({ id: 'y', owner: 'b', kind: 'failed', error: 'no such model', at: now - 5 * MINUTE });
    await bury({ id: 'z', owner: 'a', kind: 'undecodable', error: 'of a newer version', at: now - MINUTE });
    // its refresh gives the table the expiry of the shard
    await fleet.start('one');
  }

  it('ls shows those that it means, by owner, kind, reason or error, and age', async () => {
    await seed();
    expect(await ids()).to.deep.equal(['v', 'w', 'x', 'y', 'z']);
    expect(await ids('--owner', 'b')).to.deep.equal(['w', 'y']);
    expect(await ids('--kind', 'failed')).to.deep.equal(['x', 'y']);
    expect(await ids('--reason', 'cuda|tries left')).to.deep.equal(['w', 'x']);
    expect(await ids('--older', '30m')).to.deep.equal(['v', 'w']);
    expect(await ids('--older', '2m', '--newer', '3600s', '--owner', 'a')).to.deep.equal(['x']);
    const none = await cli('ls', fleet.topic, '--older', '1d');
    expect(none).to.include({ code: 0, stdout: `topic ${fleet.topic}: no such dead requests\n` });
  });

  it('drop removes those, in all shards, and nothing with --dry-run', async () => {
    await seed();
    await fleet.redis.xadd(
      ...deadEntry(fleet.key('dead', 1), { id: 'other', kind: 'failed', error: 'boom' }),
    );
    await fleet.redis.expire(fleet.key('dead', 1), 600);
    await fleet.start('two', { loadShards: 2 });
    const dry = await cli('drop', '--kind', 'failed', '--dry-run', fleet.topic);
    expect(dry.code).to.equal(0);
    expect(dry.stdout.match(/ failed /g)).to.have.length(3);
    expect(await ids()).to.have.length(6);
    const { code, stdout } = await cli('drop', '--kind', 'failed', fleet.topic);
    expect([code, stdout]).to.deep.equal([0, `dropped 3 dead requests of topic ${fleet.topic}\n`]);
    expect(await ids()).to.deep.equal(['v', 'w', 'z']);
    expect((await cli('drop', '--all', fleet.topic, '--json')).json()).to.include({ ok: true, dropped: 3 });
    const none = await cli('drop', '--all', fleet.topic);
    expect(none).to.include({ code: 0, stdout: `topic ${fleet.topic}: no such dead requests\n` });
  });

  it('drop removes more than a page of the stream, and what comes meanwhile stays', async () => {
    const at = Date.now() - MINUTE;
    const pipeline = fleet.redis.pipeline();
    for (let i = 0; i < 250; i += 1) pipeline.xadd(...deadEntry(fleet.key('dead'), { id: `r${i}`, at }));
    pipeline.xadd(...deadEntry(fleet.key('dead'), { id: 'later', at: Date.now() + MINUTE }));
    await pipeline.exec();
    await fleet.start('one');
    expect((await cli('drop', '--all', fleet.topic, '--json')).json()).to.include({ dropped: 250 });
    expect(await fleet.redis.xlen(fleet.key('dead'))).to.equal(1);
  });

  it('retry puts all of them again by one node, and tells of each how it ended', async () => {
    await seed();
    const runner = await fleet.start('runner');
    const served = runner.run(
      ({ id }) => (id === 'y' ? Promise.reject(new Error('still no such model')) : Promise.resolve(id)),
      { budget: room() },
    );
    const { code, stdout, stderr } = await cli('retry', '--newer', '70m', fleet.topic);
    expect(code).to.equal(1);
    expect(stdout).to.match(
      /^retried 4: (3 finished, 1 failed|1 failed, 3 finished)\n0:\S+, request y: failed: still no/,
    );
    expect(stderr).to.match(
      /^sched-lua: 1 of 4 dead requests did not end well\nhint: their entries are kept\n$/,
    );
    expect(await ids()).to.deep.equal(['v', 'y']);
    const rest = (await cli('retry', '--all', fleet.topic, '--json')).json();
    expect(rest).to.deep.include({ ok: false, retried: 2, removed: 1 });
    expect(rest.error).to.include({ code: 'FAILED' });
    const entries = rest['entries'] as { id: string; kind: string }[];
    expect(entries.map(({ id, kind }) => `${id} ${kind}`)).to.have.members(['v finished', 'y failed']);
    await runner.close();
    await served;
    expect(await cli('retry', '--owner', 'nobody', fleet.topic)).to.include({ code: 0 });
    expect((await cli('retry', '--all', '--dry-run', fleet.topic)).stdout).to.match(/ y +b +failed /);
    expect(await ids()).to.deep.equal(['y']);
  });

  it('retry waits as long as --timeout says if it is given, then cancels, and keeps the entries', async () => {
    await seed();
    const one = await cli('retry', 'x', fleet.topic, '--timeout', '700', '--json');
    expect([one.code, one.json()['kind']]).to.deep.equal([1, 'cancelled']);
    expect(one.json().error).to.include({
      code: 'TIMEOUT',
      message: 'request x had not ended after 700 ms (--timeout) and was cancelled',
    });
    const many = (await cli('retry', '--all', fleet.topic, '--timeout', '700', '--json')).json();
    expect(many.error).to.include({ code: 'TIMEOUT' });
    expect(await ids()).to.have.length(5);
    expect(await fleet.redis.hlen(fleet.key('request')), 'nothing is left in line').to.equal(0);
  });

  it('retry with --no-wait leaves them in line, and what fails there comes back to the dead', async () => {
    await seed();
    await fleet.redis.xadd(
      ...deadEntry(fleet.key('dead'), { id: 'large', bytes: 70_000, body: Buffer.alloc(0) }),
    );
    const one = await cli('retry', 'x', fleet.topic, '--no-wait');
    expect([one.code, one.stdout]).to.deep.equal([0, 'put again by node dead-retry: request x\n']);
    const many = (await cli('retry', '--all', fleet.topic, '--no-wait', '--json')).json();
    expect(many).to.deep.include({ ok: false, retried: 5, removed: 4 });
    expect(await ids()).to.deep.equal(['large']);
    const runner: Node = await fleet.start('runner', { minLoadScore: 1 });
    const claimed = await take(runner, 5);
    expect(claimed.map(({ id }) => id)).to.have.members(['v', 'w', 'x', 'y', 'z']);
    await runner.putResults(
      claimed.map(({ claim, id }) => (id === 'y' ? { claim, failed: 'again' } : { claim, finished: true })),
    );
    await waitUntil(async () => (await ids()).length === 2, 'it came back', 15_000);
    const { json } = await cli('show', 'y', fleet.topic, '--json');
    expect(json()).to.deep.include({ kind: 'failed', error: 'again', nodes: ['runner'] });
    expect(json()['payload']).to.equal(JSON.stringify(request('y')));
  });

  const WRONG: [what: string, args: string[], says: RegExp][] = [
    ['no entry and no filter', ['drop'], /no shard:entry given/],
    ['an entry and a filter', ['drop', '0:1-1', 'topic', '--all'], /both an entry and a filter/],
    [
      'a kind that there is not',
      ['ls', '--kind', 'dead'],
      /'dead' is invalid. Allowed choices are lost, undecodable/,
    ],
    [
      'an age without a unit',
      ['drop', '--older', '5'],
      /'5' is invalid. Allowed is a number with ms, s, m, h or d/,
    ],
    ['a pattern that is none', ['drop', '--reason', '('], /'\(' is invalid. Allowed is a regular expression/],
  ];
  for (const [what, args, says] of WRONG) {
    it(`is refused with ${what}, exit code 2`, async () => {
      const { code, stderr } = await cli(...args);
      expect([code, stderr.split('\n')[0]]).to.satisfy(
        ([c, line]: [number, string]) => c === 2 && says.test(line),
      );
    });
  }
});
