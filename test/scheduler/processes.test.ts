// Nodes in processes of their own.
import { expect } from 'chai';
import { idsOf, requests, room, useFleet } from '../support/fleet.ts';
import { useProcesses, type NodeProcess } from '../support/node-process.ts';
import { waitUntil } from '../support/server.ts';

const executedBy = (nodes: readonly NodeProcess[]): string[] =>
  nodes.flatMap(({ executes }) => executes.map(({ id }) => id));

describe('several processes', function () {
  // on a busy machine it takes seconds to start them
  this.timeout(60_000);
  const fleet = useFleet();
  const startProcess = useProcesses(fleet);

  for (const policy of ['oldest', 'lucky'] as const) {
    it(`put, steal from each other and return results: each request is executed and finished once (${policy})`, async () => {
      // generous leases: nothing is lost on a slow machine
      const options = { policy, loadShards: 2, leaseMs: 10_000, stealAfterMs: 50 };
      const nodes = await Promise.all(['a', 'b', 'c', 'd'].map((name) => startProcess(name, options)));
      const lists = nodes.map((node, i) => requests(`${node.name}.`, [120, 60, 10, 0][i]!));
      await Promise.all(nodes.map((node) => node.call('serve', room(4), 6, 2)));
      await Promise.all(nodes.map((node, i) => node.put(lists[i]!)));

      for (const [i, node] of nodes.entries()) {
        await waitUntil(
          () => node.endings().length >= lists[i]!.length,
          `${node.name} has all its results`,
          15_000,
        );
        expect(node.endings().sort()).to.deep.equal(idsOf(lists[i]!).sort());
        for (const [id, results] of node.news) {
          expect(results).to.deep.equal([
            { kind: 'chunk', output: `${id} 0` },
            { kind: 'chunk', output: `${id} 1` },
            { kind: 'finished', output: id },
          ]);
        }
      }
      expect(executedBy(nodes).sort()).to.deep.equal(lists.flatMap(idsOf).sort());
      const stolen = nodes.map(
        ({ name, executes }) => executes.filter(({ id }) => !id.startsWith(`${name}.`)).length,
      );
      expect(stolen[3], 'the one without work of its own took some').to.be.greaterThan(5);
      await Promise.all(nodes.map((node) => node.call('close')));
      expect(await fleet.loads()).to.deep.equal({});
      await fleet.verify();
    });
  }

  it('of which one is killed and one stands still: every request of the others is finished once', async () => {
    const nodes = await Promise.all(
      ['a', 'b', 'c', 'd'].map((name) => startProcess(name, { leaseMs: 1_000 })),
    );
    const [a, b, killed, stopped] = nodes as [NodeProcess, NodeProcess, NodeProcess, NodeProcess];
    await Promise.all(nodes.map((node) => node.call('serve', room(4), 20, 1)));
    const lists = [requests('a.', 100), requests('b.', 100)];
    await Promise.all([a.put(lists[0]!), b.put(lists[1]!)]);
    await waitUntil(() => killed.executes.length > 4 && stopped.executes.length > 4, 'both have stolen some');
    stopped.stop();
    await killed.kill();
    for (const [i, node] of [a, b].entries()) {
      const all = (): boolean => node.endings().length >= lists[i]!.length;
      await waitUntil(all, `${node.name} has all its results`, 15_000);
    }
    stopped.continue();
    const left = stopped.executes.length - stopped.executed.size;
    await waitUntil(() => stopped.aborted.size >= left, 'the stopped one has been told what it lost');
    for (const [i, node] of [a, b].entries())
      expect(node.endings().sort(), node.name).to.deep.equal(idsOf(lists[i]!).sort());
    await fleet.verify();
  });

  it('that share nothing but the topic: what one process put another runs, a third takes over its results', async () => {
    const [owner, runner] = await Promise.all([startProcess('owner'), startProcess('runner')]);
    await owner.put(requests('r', 6));
    const got: string[] = [];
    while (got.length < 6) got.push(...(await runner.call('get', room(6 - got.length), 2_000)));
    expect(got.sort()).to.deep.equal(idsOf(requests('r', 6)));
    await owner.kill();
    expect(await runner.call('result', got, true)).to.deep.equal(got.map(() => 'ok'));
    const successor = await startProcess('owner', { takeover: true });
    expect(successor.name).to.equal('owner');
    await waitUntil(() => successor.endings().length === 6, 'the successor has the results');
    expect(successor.endings().sort()).to.deep.equal(got);
  });
});
