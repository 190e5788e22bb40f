// The clients of a chaos node: what they ask for does not grow with their patience.
import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Proxy } from '../../../scripts/chaos/proxy.ts';
import type { Happening } from '../../../scripts/lib/harness/happenings.ts';
import { HistoryWriter, now } from '../../../scripts/lib/harness/history.ts';
import { startOurs } from '../../../scripts/lib/harness/ours.ts';
import { sleep } from '../../../src/base/clock.ts';
import { QUICK, request, useFleet } from '../../support/fleet.ts';
import { waitUntil } from '../../support/server.ts';

const DEADLINE_MS = 2_000;
/** Within which a node starts on a busy machine. */
const TIMEOUT_MS = 1_500;

describe('a client of a chaos node', () => {
  const fleet = useFleet();

  it('whose put times out puts it again until its deadline, which counts from the first time', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sched-lua-ours-'));
    const history = new HistoryWriter<Happening>(join(folder, 'history'));
    const link = new Proxy(Number(new URL(fleet.url).port));
    const peer = await startOurs({
      scheduler: {
        ...{ redis: await link.open(), topic: fleet.topic, node: 'owner', takeover: false },
        ...{ ...QUICK, loadShards: 1, commandTimeout: TIMEOUT_MS },
      },
      ...{ history, budget: undefined, execute: () => expect.fail('it has no engine') },
    });
    try {
      link.loseShard(0);
      // a call that Redis does not answer, which holds up the next one
      const first = peer.put([{ request: request('first') }]);
      await sleep(0);
      const from = now();
      const put = peer.put([{ request: request('r'), options: { deadlineMs: DEADLINE_MS } }]);
      // and nothing that was sent before it is still under way
      await waitUntil(() => now() > from + DEADLINE_MS + TIMEOUT_MS, 'its deadline has passed');
      link.loseShard(undefined);
      expect((await put)[0]).to.have.property('code', 'EXPIRED');
      expect(await first).to.deep.equal([undefined]);
    } finally {
      await peer.close();
      await link.close();
      history.close();
      rmSync(folder, { recursive: true });
    }
  });
});
