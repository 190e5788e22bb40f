// An engine dies behind its living sidecar: it must not become a hole into which the line of the fleet falls.
import { expect } from 'chai';
import { all, endings, idsOf, requests, room, useFleet, type Prompt } from '../support/fleet.ts';
import { useHttpEngines } from '../support/http-engine.ts';
import { useProcesses, type NodeProcess } from '../support/node-process.ts';
import { waitUntil } from '../support/server.ts';

const EACH_MS = 300;
const BATCH = 8;

/** How many of these times lie within one second, at most. */
function mostWithinASecond(times: readonly number[]): number {
  return Math.max(0, ...times.map((from) => times.filter((at) => at >= from && at < from + 1_000).length));
}

function counts(ids: readonly string[]): number[] {
  return [...new Set(ids)].map((id) => ids.filter((one) => one === id).length);
}

describe('an engine that is killed behind its living sidecar', function () {
  this.timeout(120_000);
  const fleet = useFleet();
  const startProcess = useProcesses(fleet);
  const startEngine = useHttpEngines();

  /** Its engine has died since; the times at which it was asked afterwards. */
  const askedWhileDown = ({ asked }: NodeProcess): number[] => {
    const died = Math.min(...asked.filter(({ failed }) => failed).map(({ till }) => till));
    return asked.filter(({ from, failed }) => failed && from > died).map(({ from }) => from);
  };

  it('fails no request: the other engine serves what it had, and it serves again once it is back', async () => {
    const options = { leaseMs: 10_000 };
    const names = ['front', 'dying', 'living'] as const;
    const nodes = await Promise.all(names.map((name) => startProcess(name, options)));
    const [front, dying, living] = nodes as [NodeProcess, NodeProcess, NodeProcess];
    const [mortal, other] = await Promise.all([startEngine(EACH_MS), startEngine(EACH_MS)]);
    await dying.call('serveBy', room(BATCH), mortal.url, { maxPauseMs: 2_000 });
    await living.call('serveBy', room(BATCH), other.url, {});
    const put: Prompt[] = [];
    const putMore = async (count: number): Promise<void> => {
      const more = requests(`r${put.length}-`, count);
      put.push(...more);
      await front.put(more);
    };
    const haveEnded = (): boolean => front.endings().length === put.length;

    await putMore(60);
    await waitUntil(() => dying.asked.length > 0, 'it has served some, and goes on', 20_000);
    await mortal.kill();
    await waitUntil(haveEnded, 'all have ended', 60_000);
    expect(endings(front.news)).to.deep.equal(all(put, 'finished'));
    expect(living.asked.some(({ failed }) => failed)).to.equal(false);

    // while it is down it is tried, and not more than that
    while (askedWhileDown(dying).length < 3) {
      await putMore(2 * BATCH);
      await waitUntil(haveEnded, 'all have ended', 60_000);
    }
    expect(mostWithinASecond(askedWhileDown(dying))).to.be.at.most(3);
    expect(Math.max(...counts(dying.givenBack))).to.be.at.most(5);

    await mortal.start();
    while (!dying.engine.includes('up')) {
      await putMore(2 * BATCH);
      await waitUntil(haveEnded, 'all have ended', 60_000);
    }
    const before = dying.asked.length;
    await putMore(4 * BATCH);
    await waitUntil(haveEnded, 'all have ended', 60_000);
    expect(dying.asked.slice(before).filter(({ failed }) => !failed).length).to.be.greaterThan(1);
    expect(endings(front.news)).to.deep.equal(all(put, 'finished'));
    expect(front.endings().sort()).to.deep.equal(idsOf(put).sort());
  });
});
