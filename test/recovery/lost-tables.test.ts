// lua/README.md#expiry, Mending: whatever table of a shard an operator deletes, or two, while nodes are at work, everything that
// was accepted is served within a refresh, and told once.
import { expect } from 'chai';
import { sleep } from '../../src/base/clock.ts';
import { SHARD_TABLES, shardKey, type ShardTable } from '../../src/base/keys.ts';
import { Scheduler } from '../../src/index.ts';
import { verifyTopic } from '../../src/inspect/verify.ts';
import { QUICK, idsOf, requests, room, useFleet, type Prompt } from '../support/fleet.ts';
import { freshTopic, waitUntil } from '../support/server.ts';

/** Requests that run, and that wait, when the tables go. */
const RUNNING = 3;
const WAITING = 9;
/** Fleets at once. */
const ABREAST = 4;

describe('when tables of a shard are lost at work', function () {
  this.timeout(300_000);
  const fleet = useFleet();

  /** A fleet of its own loses these tables once some requests have ended, some run and the others wait. */
  async function lose(tables: readonly ShardTable[]): Promise<void> {
    const topic = freshTopic();
    const what = tables.join(' and ');
    const options = {
      ...QUICK,
      ...{ redis: fleet.url, topic, leaseMs: 3_000, minLoadScore: 1, onWarning: () => undefined },
    };
    await using front = await Scheduler.start<Prompt, string>({ ...options, node: 'front' });
    await using engine = await Scheduler.start<Prompt, string>({ ...options, node: 'engine' });
    const gate = new AbortController();
    const begun = new Set<string>();
    const served = engine.run(
      async function* ({ id }) {
        begun.add(id);
        yield `${id} begins`;
        if (id.startsWith('held')) await sleep(60_000, gate.signal);
        return id;
      },
      { budget: room(RUNNING) },
    );
    const told = new Map<string, string[]>();
    const submit = (list: readonly Prompt[]): Promise<void>[] =>
      list.map(async (request) => {
        const heard: string[] = [];
        told.set(request.request_id, heard);
        for await (const result of front.submit(request))
          heard.push(result.kind === 'failed' ? `failed: ${result.reason}` : result.kind);
      });
    const early = submit(requests('early', 2));
    await Promise.all(early);
    const held = requests('held', RUNNING);
    const ends = submit(held);
    await waitUntil(() => idsOf(held).every((id) => begun.has(id)), `${what}: some run`, 60_000);
    ends.push(...submit(requests('waits', WAITING)));
    const waiting = async (): Promise<boolean> =>
      (await fleet.redis.zcard(shardKey(topic, 0, 'waiting'))) === WAITING;
    await waitUntil(waiting, `${what}: others wait`, 60_000);
    await fleet.redis.unlink(...tables.map((table) => shardKey(topic, 0, table)));
    gate.abort();
    await Promise.all(ends);
    for (const [id, heard] of told)
      expect(heard.join(' '), `${id} without ${what}`).to.match(/^chunk (restart chunk )*finished$/);
    const sound = async (): Promise<boolean> => (await verifyTopic(fleet.redis, topic)).length === 0;
    await waitUntil(sound, `${what}: the shard is sound again`, 60_000);
    await engine.close();
    await served;
  }

  it('one by one, what was accepted is served and told once', async () => {
    await eachOf(SHARD_TABLES.map((table) => [table]));
  });

  for (const [i, one] of SHARD_TABLES.entries()) {
    const others = SHARD_TABLES.slice(i + 1);
    if (others.length === 0) continue;
    it(`${one} and another, what was accepted is served and told once`, async () => {
      await eachOf(others.map((other) => [one, other]));
    });
  }

  async function eachOf(losses: ShardTable[][]): Promise<void> {
    const left = [...losses];
    const walk = async (): Promise<void> => {
      for (let next = left.shift(); next; next = left.shift()) await lose(next);
    };
    await Promise.all(Array.from({ length: ABREAST }, walk));
  }
});
