// lua/README.md#promises, Redis death: what a restart or a failover lost, owners put again, and nothing is delivered twice.
import { expect } from 'chai';
import type { Result } from '../../src/index.ts';
import { sleep } from '../../src/base/clock.ts';
import { isFinal } from '../../scripts/lib/harness/happenings.ts';
import { idsOf, requests, room, useFleet, type Node } from '../support/fleet.ts';
import { OwnRedis, useOwnRedis } from '../support/own-redis.ts';
import { waitUntil } from '../support/server.ts';

/** Everything that a node's getResults ever gave, per id. */
class Heard {
  readonly results = new Map<string, Result[]>();
  readonly #node: Node;

  constructor(node: Node) {
    this.#node = node;
  }

  finals(): Record<string, string[]> {
    for (const [id, news] of this.#node.getResults())
      this.results.set(id, [...(this.results.get(id) ?? []), ...news]);
    return Object.fromEntries(
      [...this.results].map(([id, list]) => [id, list.filter(isFinal).map(({ kind }) => kind)]),
    );
  }

  ended(): number {
    return Object.values(this.finals()).filter(({ length }) => length > 0).length;
  }
}

describe('when Redis lost its data', function () {
  this.timeout(60_000);
  const redis = useOwnRedis(['--enable-debug-command', 'yes', '--appendonly', 'no', '--save', '']);
  const fleet = useFleet(() => redis.url);
  let empty: OwnRedis;

  before(async () => {
    empty = new OwnRedis();
    await empty.open([]);
  });
  after(() => empty.close());

  const ways: Record<string, () => Promise<void>> = {
    'by FLUSHALL': async () => {
      await redis.admin.flushall();
    },
    'by a restart without persistence': async () => {
      await redis.restart(200);
      await redis.admin.ping();
    },
    'by a failover to an empty replica': async () => {
      const { hostname, port } = new URL(empty.url);
      await redis.admin.replicaof(hostname, Number(port));
      const synced = async (): Promise<boolean> =>
        /master_link_status:up/.test(await redis.admin.info('replication'));
      await waitUntil(synced, 'it has the data of an empty master', 20_000);
      await redis.admin.replicaof('NO', 'ONE');
    },
    'by a rollback to an earlier state': async () => {
      await redis.restart(200);
      await redis.admin.ping();
    },
  };

  for (const [way, lose] of Object.entries(ways)) {
    it(`${way}, each request that had not ended is put again and ends once, and none that had is told twice`, async function () {
      if (way.includes('replica') && !empty.isReachable) this.skip();
      const options = { leaseMs: 1_500 };
      const [owner, runner] = [
        await fleet.start('owner', options),
        await fleet.start('runner', { ...options, minLoadScore: 1 }),
      ];
      const heard = new Heard(owner);
      const [done, running, waiting] = [requests('done', 5), requests('running', 5), requests('waiting', 20)];
      const release = new AbortController();
      const executions = new Map<string, number>();
      const executes = (id: string): boolean => executions.has(id);
      const served = runner.run(
        async function* ({ id, attempt, signal }) {
          executions.set(id, (executions.get(id) ?? 0) + 1);
          yield `${id}/${attempt}`;
          if (id.startsWith('running')) await sleep(60_000, AbortSignal.any([release.signal, signal]));
          return id;
        },
        { budget: room(10) },
      );
      await owner.putRequests(done);
      await waitUntil(() => heard.ended() === 5, 'some have ended', 15_000);
      await owner.putRequests(running);
      await waitUntil(() => idsOf(running).every(executes), 'some are running', 15_000);

      if (way.includes('rollback')) {
        // what had ended and what is running come back with it, what is put afterwards does not
        await redis.admin.save();
        release.abort();
        await waitUntil(() => heard.ended() === 10, 'those that ran have ended', 15_000);
      }
      await owner.putRequests(waiting);
      await lose();
      release.abort();

      await waitUntil(() => heard.ended() === 30, 'all have ended', 30_000);
      // what a delivery too many would need to arrive
      await owner.putRequests(requests('more', 3));
      await waitUntil(() => heard.ended() === 33, 'it goes on as before', 30_000);
      for (const [id, finals] of Object.entries(heard.finals()))
        expect(finals, id).to.deep.equal(['finished']);
      for (const [id, results] of heard.results)
        expect(inOrder(id, results), `${id}: ${JSON.stringify(results)}`).to.equal(true);
      if (!way.includes('rollback'))
        for (const id of idsOf(done)) expect(executions.get(id), `${id} was not executed again`).to.equal(1);
      await owner.close();
      await runner.close();
      await served;
    });
  }

  /** Attempts are whole: one chunk and the final, after a restart marker if there was one before. */
  function inOrder(id: string, results: readonly Result[]): boolean {
    const kinds = results.map(({ kind }) => kind).join(' ');
    return /^(chunk restart )*chunk finished$/.test(kinds) && results.at(-1)!.output === id;
  }
});
