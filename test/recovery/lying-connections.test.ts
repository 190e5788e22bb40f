// Connections that lie: they stay open and lead nowhere, answer for a server that cannot, are slow, or break on one call.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import { SchedulerEvents } from '../../src/index.ts';
import {
  all,
  ended,
  endings,
  finish,
  idsOf,
  rejection,
  request,
  requests,
  room,
  serve,
  take,
  useFleet,
  type Claimed,
  type NodeOptions,
  type Prompt,
} from '../support/fleet.ts';
import { runsScript, useLyingProxy } from '../support/lying-proxy.ts';
import { useOwnRedis } from '../support/own-redis.ts';
import { waitUntil } from '../support/server.ts';

const portOf = ({ url }: { url: string }): number => Number(new URL(url).port);

const QUICK_SYNC = ['--repl-diskless-sync-delay', '0'];

describe('a failover behind one address, while open connections stay with the old master,', function () {
  this.timeout(60_000);
  const old = useOwnRedis(QUICK_SYNC);
  const heir = useOwnRedis(QUICK_SYNC);
  const fleet = useFleet(() => heir.url);
  const held = useLyingProxy(() => portOf(old));

  it('is followed: calls go on at the new master once, and so do wake-ups', async () => {
    await heir.admin.replicaof('127.0.0.1', portOf(old));
    await waitUntil(
      async () => (await heir.admin.info('replication')).includes('master_link_status:up'),
      'the replica is in step',
      20_000,
    );
    const options = { redis: held.proxy.url, pollMs: 60_000 };
    const [owner, runner] = [await fleet.start('owner', options), await fleet.start('runner', options)];
    const executed = serve(runner);
    await owner.putRequests([request('before')]);
    await ended(owner, ['before']);

    await heir.admin.replicaof('NO', 'ONE');
    held.proxy.target = portOf(heir);
    // it hears of nothing that is published at the new master, and answers every PING
    await old.admin.replicaof('127.0.0.1', '1');
    const after = requests('after', 10);
    for (const one of after) expect(await owner.putRequests([one])).to.deep.equal([{ id: one.request_id }]);
    expect(endings(await ended(owner, idsOf(after)))).to.deep.equal(all(after, 'finished'));
    expect(executed.map(({ id }) => id).sort()).to.deep.equal(['before', ...idsOf(after)].sort());
  });
});

describe('a slow link', function () {
  this.timeout(120_000);
  const redis = useOwnRedis();
  const fleet = useFleet(() => redis.url);
  const held = useLyingProxy(() => portOf(redis));

  it('carries a large request, though it takes longer than the silence; the node goes on meanwhile', async () => {
    const { proxy } = held;
    // three seconds of silence
    const options = { redis: proxy.url, leaseMs: 9_000, commandTimeout: 60_000 };
    const node = await fleet.start('node', options);
    const other = await fleet.start('other', { policy: 'none' });
    let signal: AbortSignal | undefined;
    let release: (() => void) | undefined;
    const served: string[] = [];
    const handler = async (one: Claimed): Promise<string> => {
      served.push(one.id);
      if (one.id !== 'long') return one.id;
      ({ signal } = one);
      await new Promise<void>((resolve) => (release = resolve));
      return one.id;
    };
    void node.run(handler, { budget: room(4) });
    await other.putRequests([request('long')]);
    await waitUntil(() => signal !== undefined, 'the long one runs');
    let sent = 0;
    proxy.fate = (words) => {
      if (runsScript(words, 'its body')) sent += 1;
      return 'pass';
    };
    proxy.bytesPerSecond = 2 ** 20;
    let accepted = false;
    const big = { ...request('big'), body: 'its body'.repeat(3 * 2 ** 18) };
    const put = node.putRequests([big]).then((outcome) => {
      accepted = true;
      return outcome;
    });
    await other.putRequests(requests('small', 5));
    await ended(other, idsOf(requests('small', 5)), 60_000);
    expect(accepted, 'the large one is on its way').to.equal(false);
    expect(await put).to.deep.equal([{ id: 'big' }]);
    expect(sent, 'it went over the link once').to.equal(1);
    await ended(node, ['big'], 30_000);
    expect(signal!.aborted, 'what it held').to.equal(false);
    release!();
    await ended(other, ['long'], 30_000);
  });
});

describe('a call that breaks every connection', function () {
  this.timeout(60_000);
  const redis = useOwnRedis(['--client-query-buffer-limit', '1mb']);
  const fleet = useFleet(() => redis.url);
  const held = useLyingProxy(() => portOf(redis));
  const options = (): NodeOptions => ({ redis: held.proxy.url, commandTimeout: 30_000 });
  const refusal = /^put_requests was given up: \d+ connections broke in a row/;

  for (const [what, setting] of [
    ['client-query-buffer-limit', {}],
    ['proto-max-bulk-len', { 'client-query-buffer-limit': '1gb', 'proto-max-bulk-len': '1mb' }],
  ] as const) {
    it(`as it is over ${what}, is refused with the reason, and the node lives`, async () => {
      const before: [string, string][] = [];
      for (const [name, value] of Object.entries(setting)) {
        before.push((await redis.admin.config('GET', name)) as [string, string]);
        await redis.admin.config('SET', name, value);
      }
      const node = await fleet.start('node', options());
      const executed = serve(node);
      const put = node.putRequests([{ ...request('big'), body: 'x'.repeat(2 ** 21) } as Prompt]);
      const list = requests('r', 5);
      const [[outcome], others] = await Promise.all([put, node.putRequests(list)]);
      expect(outcome!.error).to.have.property('code', 'REDIS');
      expect(outcome!.error!.message).to.match(refusal);
      expect(others).to.deep.equal(idsOf(list).map((id) => ({ id })));
      await ended(node, idsOf(list));
      expect(idsOf(list)).to.have.members(executed.map(({ id }) => id));
      for (const [name, value] of before) await redis.admin.config('SET', name, value);
    });
  }

  it('is refused alone: the others of its call are accepted, and the lane goes on', async () => {
    const { proxy } = held;
    const node = await fleet.start('node', options());
    proxy.fate = (words) => (runsScript(words, 'poison') ? 'break' : 'pass');
    const outcomes = await node.putRequests(['a', 'poison', 'b'].map((id) => request(id)));
    expect(outcomes.map(({ id, error }) => [id, error?.code])).to.deep.equal([
      ['a', undefined],
      ['poison', 'REDIS'],
      ['b', undefined],
    ]);
    expect(await node.putRequests([request('later')])).to.deep.equal([{ id: 'later' }]);
    const claims = await take(node, 3);
    expect(claims.map(({ id }) => id)).to.deep.equal(['a', 'b', 'later']);
    await finish(node, claims);
    proxy.fate = () => 'pass';
    expect(await node.putRequests([request('poison')]), 'it was never in Redis').to.deep.equal([
      { id: 'poison' },
    ]);
  });

  it('but was run, is known to have been run', async () => {
    const { proxy } = held;
    const node = await fleet.start('node', options());
    proxy.fate = (words) => (runsScript(words, 'its body') ? 'break after' : 'pass');
    const put = node.putRequests([{ ...request('r'), body: 'its body' } as Prompt, request('s')]);
    expect(await put).to.deep.equal([{ id: 'r' }, { id: 's' }]);
    expect(await fleet.loads()).to.deep.equal({ node: 2 });
  });

  it('and carries a result, ends its request as failed, once', async () => {
    const { proxy } = held;
    const owner = await fleet.start('owner');
    const runner = await fleet.start('runner', { ...options(), minLoadScore: 1 });
    let runs = 0;
    void runner.run(() => `poison ${(runs += 1)}`, { budget: room() });
    proxy.fate = (words) => (runsScript(words, 'poison') ? 'break' : 'pass');
    await owner.putRequests([request('r')]);
    const results = await ended(owner, ['r'], 30_000);
    expect(endings(results)).to.deep.equal({ r: 'failed' });
    expect(runs).to.equal(1);
  });
});

describe('in an outage', function () {
  this.timeout(60_000);
  const redis = useOwnRedis();
  const fleet = useFleet(() => redis.url);

  it('puts that time out are not sent after it: their payloads are free at once, and so are their ids', async () => {
    const payloads: WeakRef<Buffer>[] = [];
    const events = new SchedulerEvents();
    let placed = 0;
    events.on('placed', () => (placed += 1));
    const node = await fleet.start('node', {
      commandTimeout: 1_000,
      events,
      codec: {
        encode: (one: Prompt): Buffer => {
          const payload = Buffer.from(JSON.stringify({ ...one, body: 'x'.repeat(20_000) }));
          payloads.push(new WeakRef(payload));
          return payload;
        },
        decode: (bytes): Prompt => JSON.parse(String(bytes)) as Prompt,
      },
    });
    await redis.hang(6_000);
    const list = requests('r', 300);
    const codes = await Promise.all(list.map((one) => rejection(node.putRequests([one]))));
    expect([...new Set(codes.map(({ code }) => code))]).to.deep.equal(['TIMEOUT']);
    // one call was under way when the server went silent: 256 KiB
    const underWay = 13;
    await collected(() => payloads.filter((ref) => ref.deref()).length <= underWay);
    // on a busy machine Redis may answer again by now
    const again = await node.putRequests([list.at(-1)!]).catch(() => undefined);
    const isAccepted = again !== undefined && again[0]!.error === undefined;
    await fleet.redis.ping();
    const accepted = async (): Promise<boolean> => {
      const outcomes = await node.putRequests([request('after')]).catch(() => [{ error: true }]);
      return outcomes[0]!.error === undefined;
    };
    await waitUntil(accepted, 'the node goes on', 30_000);
    expect(placed, 'what reached Redis').to.be.at.most(underWay + 3);
    const load = isAccepted ? 2 : 1;
    await waitUntil(async () => (await fleet.loads()).node === load, 'what timed out has been cancelled');
  });
});

/** Waits until the condition holds after a collection of garbage. */
async function collected(condition: () => boolean): Promise<void> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  await waitUntil(() => {
    collect();
    return condition();
  }, 'the garbage is gone');
}
