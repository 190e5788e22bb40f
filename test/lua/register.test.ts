import { expect } from 'chai';
import { SCHEMA, registryKeys } from '../../src/base/keys.ts';
import { runScript } from '../../src/redis/run-script.ts';
import { freshTopic } from '../support/server.ts';
import { connection, connections, noteStatus, statusWordsOf } from './support.ts';
import { START } from './view.ts';
import { hexOf } from './wire.ts';

const NO_EPOCH = '0'.repeat(14);
const TTL = 900_000;
const DAY = 86_400_000;

interface RegisterCall {
  action: 'take' | 'over' | 'renew' | 'leave';
  instance: string;
  /** ms after START. */
  at?: number;
  keepAlive?: number;
  above?: string;
  epoch?: string;
  shards?: number;
  ttl?: number;
  unit?: 'requests' | 'tokens';
  /** Default: not seen. */
  empty?: boolean;
  /** Default: it has none. */
  engine?: string;
  /** Default: closed. */
  breaker?: string;
  /** Default: none. */
  card?: string;
  /** Candidate names; the home shard is the name's length. */
  names?: string[];
}

/** Name -> `instance epoch till home`; epoch: µs, till: ms after START. */
interface RegistryView {
  nodes: Record<string, string>;
  meta: Record<string, string>;
  expires: Record<string, number>;
}

/** ms after START as the epoch that it makes. */
function epochAt(ms: number, plus = 0): string {
  return hexOf((START + ms) * 1000 + plus, 14);
}

class TestRegistry {
  readonly topic = freshTopic();
  readonly keys = registryKeys(this.topic);

  async run(call: RegisterCall): Promise<string[]> {
    const {
      action,
      instance,
      at = 0,
      keepAlive = 30_000,
      above = NO_EPOCH,
      epoch = '',
      shards = 1,
      unit = 'requests',
      empty = false,
      engine = '',
      breaker = '',
      card = '',
      ttl = TTL,
      names = ['n'],
    } = call;
    const reply = await runScript(connection(), 'auto', 'register', this.keys, [
      ...[action, instance, String(START + at), String(keepAlive), String(ttl), above, epoch, String(shards)],
      ...[unit, empty ? '1' : '', engine, breaker, card],
      ...names.flatMap((name) => [name, String(name.length)]),
    ]);
    noteStatus('register', [String(reply[0])]);
    return reply.map(String);
  }

  async view(): Promise<RegistryView> {
    const client = connection();
    const [nodes, meta] = [await client.hgetall(this.keys[0]), await client.hgetall(this.keys[1])];
    const show = (entry: string): string => {
      const [instance, epoch, till, home] = entry.split('|');
      return `${instance!} ${parseInt(epoch!, 16) - START * 1000} ${Number(till) - START} ${home!}`;
    };
    const expires: Record<string, number> = {};
    for (const [i, key] of this.keys.entries()) {
      const at = await client.pexpiretime(key);
      if (at !== -2) expires[['nodes', 'meta', 'cards'][i]!] = at - START;
    }
    return {
      nodes: Object.fromEntries(Object.entries(nodes).map(([name, entry]) => [name, show(entry)])),
      meta,
      expires,
    };
  }

  /** Runs a call twice: the second run answers the same and changes nothing. */
  async row(
    call: RegisterCall,
    reply: string[],
    nodes: RegistryView['nodes'],
    shards = '1',
    unit = 'requests',
  ): Promise<void> {
    expect(await this.run(call), 'reply').to.deep.equal(reply);
    const after = await this.view();
    expect(after.nodes).to.deep.equal(nodes);
    const { ttl, expiry, ...rest } = after.meta;
    expect(rest).to.deep.equal({ schema: SCHEMA, shards, unit });
    expect(ttl).to.equal(String(TTL));
    expect(Number(expiry) - START).to.equal(after.expires['nodes']);
    expect(await this.run(call), 'reply of the second run').to.deep.equal(reply);
    expect(await this.view(), 'after the second run').to.deep.equal(after);
  }
}

describe('register', () => {
  connections();

  it('takes a free name, with an epoch that is the server’s µs', async () => {
    const registry = new TestRegistry();
    await registry.row(
      { action: 'take', instance: 'i1', shards: 4 },
      ['OK', 'n', epochAt(0), '4'],
      { n: 'i1 0 30000 1' },
      '4',
    );
    expect((await registry.view()).expires).to.deep.equal({
      ...{ nodes: TTL + 30_000, meta: 86_400_000, cards: TTL + 30_000 },
    });
  });

  it('takes the first candidate that is free, as long as there is one', async () => {
    const registry = new TestRegistry();
    const names = ['n', 'n:1', 'n:2'];
    for (const instance of ['i1', 'i2', 'i3']) await registry.run({ action: 'take', instance, names });
    await registry.row({ action: 'take', instance: 'i4', names }, ['TAKEN', '', '', '1'], {
      ...{ n: 'i1 0 30000 1', 'n:1': 'i2 0 30000 3', 'n:2': 'i3 0 30000 3' },
    });
    await registry.run({ action: 'leave', instance: 'i2', at: 1, names: ['n:1'], epoch: epochAt(0) });
    await registry.row({ action: 'take', instance: 'i4', at: 2, names }, ['OK', 'n:1', epochAt(2), '1'], {
      ...{ n: 'i1 0 30000 1', 'n:1': 'i4 2000 30002 3', 'n:2': 'i3 0 30000 3' },
    });
  });

  it('takes a name whose registration has run out, with a higher epoch', async () => {
    const registry = new TestRegistry();
    await registry.run({ action: 'take', instance: 'i1' });
    expect(await registry.run({ action: 'take', instance: 'i2', at: 29_999 })).to.deep.equal([
      'TAKEN',
      '',
      '',
      '1',
    ]);
    await registry.row({ action: 'take', instance: 'i2', at: 30_000 }, ['OK', 'n', epochAt(30_000), '1'], {
      n: 'i2 30000000 60000 1',
    });
  });

  it('takes over a name whoever holds it', async () => {
    const registry = new TestRegistry();
    await registry.run({ action: 'take', instance: 'i1' });
    await registry.row({ action: 'over', instance: 'i2', at: 10 }, ['OK', 'n', epochAt(10), '1'], {
      n: 'i2 10000 30010 1',
    });
  });

  it('gives epochs that grow even if the server’s clock stands or runs back, and exceed `above`', async () => {
    const registry = new TestRegistry();
    await registry.run({ action: 'over', instance: 'i1' });
    expect((await registry.run({ action: 'over', instance: 'i2' }))[2]).to.equal(epochAt(0, 1));
    expect((await registry.run({ action: 'over', instance: 'i3', at: -1_000 }))[2]).to.equal(epochAt(0, 2));
    const above = epochAt(5_000);
    await registry.row(
      { action: 'renew', instance: 'i3', at: 10, above, epoch: epochAt(0, 2) },
      ['OK', 'n', epochAt(5_000, 1), '1'],
      {
        n: 'i3 5000001 30010 1',
      },
    );
  });

  it('renews with the same epoch, also after the registration ran out', async () => {
    const registry = new TestRegistry();
    await registry.run({ action: 'take', instance: 'i1' });
    for (const at of [10_000, 100_000]) {
      await registry.row(
        { action: 'renew', instance: 'i1', at, epoch: epochAt(0) },
        ['OK', 'n', epochAt(0), '1'],
        {
          n: `i1 0 ${at + 30_000} 1`,
        },
      );
    }
  });

  it('renews with the same epoch if the registry was lost', async () => {
    const registry = new TestRegistry();
    await registry.row(
      { action: 'renew', instance: 'i1', at: 10, epoch: epochAt(5) },
      ['OK', 'n', epochAt(5), '1'],
      {
        n: 'i1 5000 30010 1',
      },
    );
  });

  it('refuses to renew a name that another holds', async () => {
    const registry = new TestRegistry();
    await registry.run({ action: 'take', instance: 'i1' });
    await registry.run({ action: 'over', instance: 'i2', at: 10 });
    await registry.row(
      { action: 'renew', instance: 'i1', at: 20, epoch: epochAt(0) },
      ['TAKEN', '', '', '1'],
      {
        n: 'i2 10000 30010 1',
      },
    );
  });

  it('gives a name back to who took it over last, when a rollback had undone that', async () => {
    const registry = new TestRegistry();
    await registry.run({ action: 'take', instance: 'i1' });
    await registry.row(
      { action: 'renew', instance: 'i2', at: 20, epoch: epochAt(10) },
      ['OK', 'n', epochAt(20), '1'],
      { n: 'i2 20000 30020 1' },
    );
    await registry.row(
      { action: 'renew', instance: 'i1', at: 30, epoch: epochAt(0) },
      ['TAKEN', '', '', '1'],
      {
        n: 'i2 20000 30020 1',
      },
    );
  });

  it('renews with a higher epoch if another had the name in between', async () => {
    for (const gone of [
      { action: 'leave', at: 20 },
      { action: 'renew', at: -30_000 },
    ] as const) {
      const registry = new TestRegistry();
      await registry.run({ action: 'take', instance: 'i1' });
      await registry.run({ action: 'over', instance: 'i2', at: 10 });
      await registry.run({ instance: 'i2', epoch: epochAt(10), ...gone });
      await registry.row(
        { action: 'renew', instance: 'i1', at: 40, epoch: epochAt(0) },
        ['OK', 'n', epochAt(40), '1'],
        {
          n: 'i1 40000 30040 1',
        },
      );
    }
  });

  it('leaves: the name is free at once, and its epoch stays known', async () => {
    const registry = new TestRegistry();
    await registry.run({ action: 'take', instance: 'i1', at: 1_000 });
    expect(await registry.run({ action: 'leave', instance: 'i1', epoch: epochAt(1_000) })).to.deep.equal([
      'OK',
      'n',
      epochAt(1_000),
      '1',
    ]);
    expect((await registry.view()).nodes).to.deep.equal({ n: ' 1000000 0 1' });
    expect((await registry.run({ action: 'leave', instance: 'i1', epoch: epochAt(1_000) }))[0]).to.equal(
      'OK',
    );
    expect((await registry.run({ action: 'take', instance: 'i2' }))[2]).to.equal(epochAt(1_000, 1));
  });

  it('leaves only what the instance holds', async () => {
    const registry = new TestRegistry();
    await registry.run({ action: 'take', instance: 'i1' });
    await registry.row({ action: 'leave', instance: 'i2', at: 10 }, ['OK', 'n', '', '1'], {
      n: 'i1 0 30000 1',
    });
  });

  it('keeps with the name what the engine can hold, as the last renewal said', async () => {
    const registry = new TestRegistry();
    const call = { instance: 'i1', epoch: epochAt(0) };
    const held = async (): Promise<string | undefined> =>
      (await connection().hget(registry.keys[0], 'n'))?.split('|')[4];
    await registry.run({ action: 'take', instance: 'i1' });
    expect(await held()).to.equal('');
    for (const engine of ['0', '8192', '4294967295', '']) {
      await registry.run({ action: 'renew', ...call, engine });
      expect(await held()).to.equal(engine);
    }
    await registry.run({ action: 'renew', ...call, engine: '8192' });
    await registry.run({ action: 'over', instance: 'i2', at: 10 });
    expect(await held(), 'of its successor').to.equal('');
  });

  it('keeps its card as the last renewal said, until it leaves or its name is forgotten', async () => {
    const registry = new TestRegistry();
    const [nodes, , cards] = registry.keys;
    const said = (): Promise<Record<string, string>> => connection().hgetall(cards);
    await registry.run({ action: 'take', instance: 'i1', names: ['n'], card: '{"host":"ü|%d"}' });
    await registry.run({ action: 'take', instance: 'i2', names: ['mm'], card: 'c'.repeat(2048) });
    expect(await said()).to.deep.equal({ n: '{"host":"ü|%d"}', mm: 'c'.repeat(2048) });
    const [, , epoch] = await registry.run({ action: 'renew', instance: 'i1', names: ['n'], card: 'later' });
    expect((await said())['n']).to.equal('later');
    expect(await connection().pexpiretime(cards)).to.equal(await connection().pexpiretime(nodes));
    await registry.run({ action: 'leave', instance: 'i3', names: ['n'], card: 'not its own' });
    expect((await said())['n'], 'another instance leaves').to.equal('later');
    await registry.run({ action: 'leave', instance: 'i1', epoch: epoch!, names: ['n'], card: 'gone' });
    expect(await said(), 'it left').to.deep.equal({ n: '', mm: 'c'.repeat(2048) });
    await registry.run({ action: 'take', instance: 'i4', names: ['x'], at: 30_000 + TTL + 1 });
    expect(await said(), 'they were forgotten').to.deep.equal({ x: '' });
  });

  it('keeps with it that its breaker is open, as the last renewal said, whatever the reason is', async () => {
    const registry = new TestRegistry();
    const call = { instance: 'i1', epoch: epochAt(0), engine: '8192' };
    const said = async (): Promise<string | undefined> =>
      (await connection().hget(registry.keys[0], 'n'))?.split('|').slice(4).join('|');
    await registry.run({ action: 'take', instance: 'i1' });
    for (const breaker of ['3|1000|fetch failed', '4|2000|a|b\n%d ünï', '']) {
      await registry.run({ action: 'renew', ...call, breaker });
      expect(await said()).to.equal(`8192|${breaker}`);
    }
    await registry.run({ action: 'renew', ...call, breaker: '3|1000|gone' });
    await registry.run({ action: 'over', instance: 'i2', at: 10 });
    expect(await said(), 'of its successor').to.equal('|');
  });

  it('refuses an engine that holds no number of tokens, or more than a ticket can say', async () => {
    for (const engine of ['4294967296', '-1', '1.5', '1e3', 'x', ' 1']) {
      const registry = new TestRegistry();
      const refused = await registry.run({ action: 'take', instance: 'i1', engine }).then(
        () => '',
        (error: unknown) => (error as Error).message,
      );
      expect(refused, engine).to.match(/an argument is out of its range/);
      expect((await registry.view()).nodes).to.deep.equal({});
    }
  });

  it('keeps the highest number of shards that any node ever gave', async () => {
    const registry = new TestRegistry();
    await registry.run({ action: 'take', instance: 'i1', shards: 8 });
    expect(await registry.run({ action: 'take', instance: 'i2', shards: 2, names: ['m'] })).to.include('8');
    await registry.row(
      { action: 'renew', instance: 'i1', shards: 10, epoch: epochAt(0) },
      ['OK', 'n', epochAt(0), '10'],
      {
        ...{ n: 'i1 0 30000 1', m: 'i2 0 30000 1' },
      },
      '10',
    );
  });

  it('forgets names unused for ttl when somebody takes one, and no others', async () => {
    const registry = new TestRegistry();
    await registry.run({ action: 'take', instance: 'i1', names: ['old'] });
    await registry.run({ action: 'take', instance: 'i2', at: 1, names: ['newer'] });
    await registry.run({ action: 'take', instance: 'i4', at: 1, names: ['just not'] });
    await registry.run({ action: 'renew', instance: 'i2', at: 30_000 + TTL + 1, names: ['newer'] });
    await registry.run({ action: 'take', instance: 'i3', at: 30_000 + TTL + 1, names: ['m'] });
    expect(Object.keys((await registry.view()).nodes).sort()).to.deep.equal(['just not', 'm', 'newer']);
  });

  it('forgets them at a takeover too, and not at a renewal, which comes often', async () => {
    const registry = new TestRegistry();
    await registry.run({ action: 'take', instance: 'i1', names: ['old'] });
    await registry.run({ action: 'take', instance: 'i2', names: ['newer'] });
    const at = 30_000 + TTL + 1;
    await registry.run({ action: 'renew', instance: 'i2', at, names: ['newer'] });
    expect(Object.keys((await registry.view()).nodes).sort()).to.deep.equal(['newer', 'old']);
    await registry.run({ action: 'over', instance: 'i3', at, names: ['newer'] });
    expect(Object.keys((await registry.view()).nodes)).to.deep.equal(['newer']);
  });

  it('keeps the number of shards for a day, or for ttl if that is longer', async () => {
    const registry = new TestRegistry();
    await registry.run({ action: 'take', instance: 'i1' });
    expect((await registry.view()).expires).to.deep.equal({
      ...{ nodes: TTL + 30_000, meta: DAY, cards: TTL + 30_000 },
    });
    await registry.run({ action: 'renew', instance: 'i1', ttl: 2 * DAY });
    expect((await registry.view()).expires).to.deep.equal({
      ...{ nodes: 2 * DAY + 30_000, meta: 2 * DAY + 30_000, cards: 2 * DAY + 30_000 },
    });
  });

  describe('by nodes of different ttl and keepAlive', () => {
    const short = { instance: 'i2', names: ['m'], ttl: 200, keepAlive: 100 };

    it('expires when the longest of them say, and never earlier than it was', async () => {
      const registry = new TestRegistry();
      await registry.run({ action: 'take', instance: 'i1', keepAlive: 2 * TTL });
      const calls: RegisterCall[] = [
        { ...short, action: 'take', at: 10 },
        { ...short, action: 'over', at: 20 },
        { ...short, action: 'renew', at: 30, epoch: epochAt(20) },
        { ...short, action: 'leave', at: 40, epoch: epochAt(20) },
        // the server's clock ran back
        { action: 'renew', instance: 'i1', at: -DAY, keepAlive: 2 * TTL, epoch: epochAt(0) },
      ];
      for (const call of calls) {
        await registry.run(call);
        const { expires, meta } = await registry.view();
        expect([expires['nodes'], meta['ttl']], call.action).to.deep.equal([3 * TTL, String(TTL)]);
      }
    });

    it('forgets no name that the longest ttl still keeps', async () => {
      const registry = new TestRegistry();
      await registry.run({ action: 'take', instance: 'i1' });
      await registry.run({ ...short, action: 'take', at: 30_000 + TTL });
      expect(Object.keys((await registry.view()).nodes).sort()).to.deep.equal(['m', 'n']);
    });

    it('keeps a name between two renewals though its ttl is shorter than the time between them', async () => {
      const registry = new TestRegistry();
      await registry.run({ ...short, action: 'take', keepAlive: 60_000 });
      expect((await registry.view()).expires['nodes']).to.equal(60_200);
    });
  });

  it('refuses a topic of another schema, and changes nothing', async () => {
    const registry = new TestRegistry();
    for (const schema of ['1', '3']) {
      await connection().hset(registry.keys[1], { schema, shards: '1' });
      await connection().pexpire(registry.keys[1], 60_000);
      for (const action of ['take', 'over', 'renew', 'leave'] as const) {
        expect(await registry.run({ action, instance: 'i1' })).to.deep.equal(['SCHEMA', schema]);
      }
    }
    expect((await registry.view()).nodes).to.deep.equal({});
  });

  describe('with another load unit than the topic’s', () => {
    const other = { instance: 'i2', names: ['m'], unit: 'tokens' as const };
    const refused = (node: string): string[] => ['UNIT', 'requests', node, '1'];

    it('refuses a name while a node is registered, and names it, and changes nothing', async () => {
      const registry = new TestRegistry();
      await registry.run({ action: 'take', instance: 'i1' });
      for (const action of ['take', 'over'] as const) {
        await registry.row({ ...other, action, empty: true, at: 29_999 }, refused('n'), {
          n: 'i1 0 30000 1',
        });
      }
      await registry.row({ ...other, action: 'over', names: ['n'], empty: true, at: 10 }, refused('n'), {
        n: 'i1 0 30000 1',
      });
    });

    it('refuses a name when none is registered, unless the caller saw that nothing waits', async () => {
      const registry = new TestRegistry();
      await registry.run({ action: 'take', instance: 'i1' });
      await registry.row({ ...other, action: 'take', at: 30_000 }, refused(''), { n: 'i1 0 30000 1' });
      const taken = { n: 'i1 0 30000 1', m: 'i2 30000000 60000 1' };
      const reply = ['OK', 'm', epochAt(30_000), '1'];
      await registry.row(
        { ...other, action: 'take', empty: true, at: 30_000 },
        reply,
        taken,
        ...['1', 'tokens'],
      );
    });

    it('refuses to renew a name that ran out meanwhile, and lets it be left', async () => {
      const registry = new TestRegistry();
      await registry.run({ action: 'take', instance: 'i1' });
      await registry.run({ ...other, action: 'take', empty: true, at: 30_000 });
      const renewed = await registry.run({ action: 'renew', instance: 'i1', at: 30_001 });
      expect(renewed).to.deep.equal(['UNIT', 'tokens', 'm', '1']);
      await registry.run({ action: 'leave', instance: 'i1', at: 30_002 });
      const { nodes, meta } = await registry.view();
      expect(nodes).to.deep.equal({ n: ' 0 30002 1', m: 'i2 30000000 60000 1' });
      expect(meta).to.include({ schema: SCHEMA, shards: '1', unit: 'tokens' });
    });

    it('does not take a node that left, or the caller itself, for one that is registered', async () => {
      const registry = new TestRegistry();
      await registry.run({ action: 'take', instance: 'i1', at: 10 });
      await registry.run({ action: 'leave', instance: 'i1', at: 10 });
      // the server's clock ran back
      const took = await registry.run({ ...other, action: 'take', empty: true, at: 5 });
      expect(took.slice(0, 2)).to.deep.equal(['OK', 'm']);
      const own = { ...other, action: 'take' as const, unit: 'requests' as const, empty: true };
      expect((await registry.run({ ...own, at: 6 })).slice(0, 2)).to.deep.equal(['OK', 'm']);
      expect((await registry.view()).meta['unit']).to.equal('requests');
    });

    it('takes a topic without a unit for one that counts requests', async () => {
      const registry = new TestRegistry();
      await registry.run({ action: 'take', instance: 'i1' });
      await connection().hdel(registry.keys[1], 'unit');
      expect(await registry.run({ ...other, action: 'take' })).to.deep.equal(refused('n'));
    });
  });

  it('goes by the server’s own time unless a test gives one', async () => {
    const registry = new TestRegistry();
    const args = [
      'take',
      'i1',
      '',
      '30000',
      String(TTL),
      NO_EPOCH,
      '',
      '1',
      'requests',
      '',
      '',
      '',
      '',
      'n',
      '0',
    ];
    const [, , epoch] = await runScript(connection(), 'auto', 'register', registry.keys, args);
    expect(Math.abs(parseInt(String(epoch), 16) / 1000 - Date.now())).to.be.lessThan(5_000);
  });

  statusWordsOf('register');
});
