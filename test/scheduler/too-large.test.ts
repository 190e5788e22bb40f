// Prompts that no living engine of the topic can ever hold (lua/README.md#never-anywhere).
import { expect } from 'chai';
import { registryKeys } from '../../src/base/keys.ts';
import type { Budget, SchedulerError } from '../../src/index.ts';
import { QUICK, rejection, request, room, useFleet, type Node, type NodeOptions } from '../support/fleet.ts';
import { useProcesses } from '../support/node-process.ts';
import { waitUntil } from '../support/server.ts';

/** No poll comes while a test runs, and no name ends: only what is told counts. */
const CALM = { pollMs: 60_000, leaseMs: 30_000, keepAliveMs: 60_000 } as const;

/** An engine for prompts of at most so many tokens. */
function holding(tokens: number, more: Partial<Budget> = {}): Budget {
  return room(16, { availableBlocks: tokens / 16, reservedOutputBlocks: 0, ...more });
}

describe('a prompt that no living engine can ever hold', () => {
  const fleet = useFleet();
  const startProcess = useProcesses(fleet);

  const start = (name: string, options: NodeOptions = {}): Promise<Node> =>
    fleet.start(name, { ...CALM, ...options });
  /** What the registry says that the engine of this node can hold. */
  const said = async (name: string): Promise<string | undefined> =>
    (await fleet.redis.hget(registryKeys(fleet.topic)[0], name))?.split('|')[4];
  const engine = async (
    name: string,
    budget: Budget | (() => Budget),
    options: NodeOptions = {},
  ): Promise<Node> => {
    const node = await start(name, options);
    void node.run(({ id }) => id, { budget });
    await waitUntil(async () => (await said(name)) !== '', `the registry knows the engine of ${name}`);
    return node;
  };
  const put = async (node: Node, id: string, tokens: number): Promise<SchedulerError | undefined> =>
    (await node.putRequests([request(id, tokens)]))[0]!.error;
  const TOO_LARGE = { code: 'TOO_LARGE', tokens: 1_601, largest: 1_600 } as const;

  it('is refused at a front that was there before the engine, with the figures, alone', async () => {
    const front = await start('front');
    await engine('engine', holding(1_600));
    // the front has just read that there is no engine; it may believe so for a moment
    await waitUntil(
      async () => (await put(front, `first${performance.now()}`, 1_601)) !== undefined,
      'it knows',
    );
    const refused: string[] = [];
    front.events.on('refused', ({ id, code }) => void refused.push(`${id} ${code}`));
    const [huge, most] = await front.putRequests([request('huge', 1_601), request('most', 1_600)]);
    expect(huge!.error).to.include(TOO_LARGE);
    expect(huge!.error!.message).to.equal(
      '"huge" was refused: its 1601 prompt tokens fit no living engine of the topic; the largest holds 1600',
    );
    expect(most).to.deep.equal({ id: 'most' });
    expect(refused).to.deep.equal(['huge TOO_LARGE']);
    expect(await rejection(front.submit(request('huge', 1_601)).result())).to.include(TOO_LARGE);
  });

  it('is refused at a front that comes later, at its first put', async () => {
    await engine('engine', holding(1_600));
    expect(await put(await start('front'), 'huge', 1_601)).to.include(TOO_LARGE);
  });

  it('is accepted once an engine has come that can hold it, however short ago', async () => {
    const small = await engine('small', holding(1_600));
    const front = await start('front');
    expect(await put(front, 'first', 1_601)).to.include(TOO_LARGE);
    expect(await put(small, 'first', 1_601)).to.include(TOO_LARGE);
    await engine('large', holding(3_200));
    expect(await front.submit(request('huge', 1_601)).result()).to.equal('huge');
    expect(await small.submit(request('huge', 1_601)).result()).to.equal('huge');
    expect(await put(front, 'second', 3_201)).to.include({ ...TOO_LARGE, tokens: 3_201, largest: 3_200 });
  });

  it('is accepted at an engine that grows', async () => {
    const node = await start('engine');
    await node.getRequests(holding(1_600, { totalBlocks: 100 }), { waitMs: 0 });
    expect(await put(node, 'huge', 1_601)).to.include(TOO_LARGE);
    await node.getRequests(holding(3_200, { totalBlocks: 200 }), { waitMs: 0 });
    expect(await put(node, 'huge', 1_601)).to.equal(undefined);
    await waitUntil(async () => (await said('engine')) === '3200', 'the registry knows');
    // what it held once it may hold again
    await node.getRequests(holding(1_600, { totalBlocks: 100 }), { waitMs: 0 });
    expect(await put(node, 'again', 1_601)).to.equal(undefined);
  });

  it('waits while an engine lives that does not say how much it can hold', async () => {
    await engine('small', holding(1_600));
    const front = await start('front');
    await engine('silent', () => holding(1_600));
    expect(await put(front, 'huge', 1_601)).to.equal(undefined);
  });

  it('waits while a node lives of a version that says nothing', async () => {
    await engine('small', holding(1_600));
    await start('old');
    const front = await start('front');
    expect(await put(front, 'first', 1_601)).to.include(TOO_LARGE);
    const [nodes] = registryKeys(fleet.topic);
    await fleet.redis.hset(
      nodes,
      'old',
      (await fleet.redis.hget(nodes, 'old'))!.replace(/[|][^|]*[|][^|]*$/, ''),
    );
    expect(await put(front, 'huge', 1_601)).to.equal(undefined);
  });

  it('waits while there is no engine at all', async () => {
    const front = await start('front');
    const small = await engine('small', holding(1_600));
    await waitUntil(
      async () => (await put(front, `first${performance.now()}`, 1_601)) !== undefined,
      'it knows',
    );
    await small.close();
    expect(await put(front, 'huge', 1_601)).to.equal(undefined);
  });

  it('is what its own engine cannot hold, where none takes from another', async () => {
    const own = await engine('own', holding(1_600), { policy: 'none' });
    await engine('large', holding(3_200), { policy: 'none' });
    expect(await put(own, 'huge', 1_601)).to.include(TOO_LARGE);
  });

  it('delays nobody that waits behind it, when the last engine dies that could hold it', async function () {
    this.timeout(120_000);
    const [large, front] = [await startProcess('large'), await fleet.start('front')];
    const whole = holding(3_200, { totalBlocks: 200 });
    await large.call('get', whole, 0);
    await waitUntil(async () => (await said('large')) === '3200', 'the registry knows the large one');
    for (const id of ['huge0', 'huge1']) expect(await put(front, id, 3_200), id).to.equal(undefined);
    expect(await large.call('get', whole, 10_000)).to.deep.equal(['huge0']);
    await large.kill();
    const small = await engine('small', holding(1_600), QUICK);
    const served = async (): Promise<void> => {
      for (const node of [front, small]) {
        const id = `${node.node} ${performance.now()}`;
        expect(await node.submit(request(id, 1_600)).result()).to.equal(id);
      }
    };
    const inLine = async (): Promise<string[]> =>
      (await fleet.snapshot()).waiting.flatMap((ticket) => /huge./.exec(ticket) ?? []);
    await served();
    // what the dead one held returns to its place
    await waitUntil(async () => (await inLine()).length === 2, 'its lease is over', 30_000);
    await served();
    const till = async (): Promise<number> =>
      Number((await fleet.redis.hget(registryKeys(fleet.topic)[0], 'large'))!.split('|')[2]);
    await waitUntil(async () => (await till()) < Date.now() - 1, 'its name is over', 30_000);
    // what the front remembers is read again while it puts
    const isRefused = async (): Promise<boolean> => {
      await served();
      return (await put(front, `more${performance.now()}`, 3_200))?.largest === 1_600;
    };
    await waitUntil(isRefused, 'the front knows', 30_000);
    await served();
    expect(await inLine()).to.deep.equal(['huge0', 'huge1']);
    expect((await fleet.snapshot()).state.get('kept') ?? '', 'nobody keeps room for it').to.equal('');
  });
});
