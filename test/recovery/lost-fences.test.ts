// lua/README.md#words, tick: no fence is given twice, though Redis lost those it had given and its clock is behind.
import { expect } from 'chai';
import { cpSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { environmentOf } from '../../scripts/chaos/clock.ts';
import { findLaunch, urlOf, type Launch, type ServerProcess } from '../../scripts/chaos/launch.ts';
import { Proxy } from '../../scripts/chaos/proxy.ts';
import { sleep } from '../../src/base/clock.ts';
import type { Tick } from '../../src/base/ticket.ts';
import { findServer, freePort } from '../../src/testing/redis/binary.ts';
import { requests, room, take, useFleet, type Claimed, type Node } from '../support/fleet.ts';

/** Longer than an answer is on its way, also on a busy machine: the promise is given for no less (lua/README.md#ticks). */
const AWAY_MS = 2_000;

const BEHIND_MS = 10_000;
/** No node speaks by itself while the test goes on. */
const QUIET = { leaseMs: 60_000, keepAliveMs: 60_000, pollMs: 20_000, minLoadScore: 1 } as const;

describe('when Redis lost fences', function () {
  this.timeout(60_000);
  this.slow(10_000);
  let launch: Launch;
  let port: number;
  let folder: string;
  let server: ServerProcess | undefined;

  before(async function () {
    if (findServer() === undefined) this.skip();
    try {
      environmentOf(BEHIND_MS);
    } catch {
      // no C compiler
      this.skip();
    }
    launch = await findLaunch(() => undefined);
  });

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sched-lua-lost-fences-'));
    port = await freePort();
    server = await launch({ port, folder, args: [], behindMs: 0 });
  });

  const fleet = useFleet(() => urlOf(port));

  afterEach(async () => {
    await server?.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  const fenceOf = ({ claim }: Claimed): Tick => claim.split('.')[1]!;

  async function comeBack(behindMs: number): Promise<void> {
    await server!.kill();
    server = await launch({ port, folder, args: [], behindMs });
    await fleet.redis.ping();
  }

  const clocks: Record<string, { lostBehindMs: number }> = {
    'though the clock of the next server is behind': { lostBehindMs: 0 },
    'though the clocks of both servers are behind what had been given before': { lostBehindMs: BEHIND_MS },
  };
  const runners: Record<string, (known: Node) => Promise<Node>> = {
    'by a runner that had not heard of them': (known) => Promise.resolve(known),
    'by a runner that has just come': () => fleet.start('new', QUIET),
  };

  for (const [clock, { lostBehindMs }] of Object.entries(clocks)) {
    for (const [who, runnerOf] of Object.entries(runners)) {
      it(`later ones are given ${who}, ${clock}`, async () => {
        const link = new Proxy(port);
        const known = await fleet.start('known', QUIET);
        const other = await fleet.start('other', {
          ...QUIET,
          redis: await link.open(),
          commandTimeout: 2_000,
        });
        try {
          await known.putRequests(requests('r', 60));
          if (lostBehindMs > 0) await comeBack(lostBehindMs);
          await take(known, 1);
          const older = `${folder}-older`;
          cpSync(folder, older, { recursive: true });
          const lost = (await take(other, 30, room(30))).map(fenceOf);
          // it tells nobody of them
          link.trap('silence', () => true);
          await server!.kill();
          rmSync(folder, { recursive: true });
          renameSync(older, folder);
          await sleep(AWAY_MS);
          await comeBack(BEHIND_MS);
          const given = (await take(await runnerOf(known), 10)).map(fenceOf);
          expect(given[0]! > lost.at(-1)!, `${given[0]!} is later than ${lost.at(-1)!}`).to.equal(true);
        } finally {
          link.calm();
          await other.close();
          await link.close();
        }
      });
    }
  }
});
