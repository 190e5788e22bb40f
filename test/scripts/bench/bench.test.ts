import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import type { Baseline } from '../../../scripts/bench/baseline.ts';
import type { Report } from '../../../scripts/bench/report.ts';
import { findKeys } from '../../support/leaks.ts';
import { useProgram } from '../../support/program.ts';
import { redisUrl, waitUntil } from '../../support/server.ts';

interface Said extends Report {
  ratios: Baseline;
  complaints: string[];
}

describe('npm run bench', () => {
  const start = useProgram('scripts/bench/main.ts');
  let folder: string;

  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'sched-lua-test-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  const benchKeys = async (): Promise<string[]> => {
    const redis = new Redis(redisUrl());
    try {
      return await findKeys(redis, 'bench-');
    } finally {
      redis.disconnect();
    }
  };

  /** Far too short to measure anything: that each entry goes all the way, and is told of. */
  async function run(only: string, ...more: string[]): Promise<Said> {
    const args = ['--only', only, '--rounds', '2', '--seconds', '0.05', '--idle-nodes', '0', '--json'];
    const bench = start([...args, ...more]);
    expect(await bench.over, bench.said.stderr).to.equal(0);
    expect(await benchKeys()).to.deep.equal([]);
    return JSON.parse(bench.said.stdout) as Said;
  }

  it('sends requests through every contender, and tells of each what they cost', async function () {
    this.timeout(120_000);
    const { cells } = await run('^put 8');
    const [{ rows, ratios }] = cells as [Report['cells'][number]];
    const all = ['ours', 'lists', 'acknowledged', 'redis-streams', 'bullmq', 'bullmq-events', 'reference'];
    expect(rows.map(({ name }) => name)).to.deep.equal(all);
    for (const { name, costs } of rows)
      for (const cost of [
        'count',
        'perSecond',
        'redisMicros',
        'ownerMicros',
        'runnerMicros',
        'sent',
        'run',
      ] as const)
        expect(costs[cost]?.min, `${cost} of ${name}`).to.be.greaterThan(0);
    expect(ratios.map(({ of, to }) => [of, to])).to.deep.equal(all.slice(1).map((name) => ['ours', name]));
    for (const { to, redisCpu, clientCpu, rate } of ratios)
      for (const { min, median, max } of [redisCpu, clientCpu, rate]) {
        expect(min, to).to.be.greaterThan(0);
        expect(median, to).to.be.within(min, max);
      }
  });

  it('sends streams through every contender: by calls and by run, own ones, to many owners, and cancelled ones', async function () {
    this.timeout(180_000);
    const { cells, ratios } = await run('^8 streams$|^64 streams, ');
    expect(cells.map(({ name }) => name)).to.deep.equal([
      ...['8 streams', '64 streams, run', '64 streams, own', '64 streams, 16 owners'],
      '64 streams, 10 % cancelled',
    ]);
    for (const { name, rows } of cells)
      for (const row of rows) expect(row.costs.count?.min, `${row.name} of ${name}`).to.be.at.least(8);
    expect(Object.keys(ratios)).to.include.members([
      '8 streams: Redis CPU, ours / reference',
      '64 streams, 16 owners: client CPU, ours / one owner',
      '64 streams, 10 % cancelled: Redis CPU, ours / none cancelled',
    ]);
  });

  it('times what is paced, and claims at idle nodes, as multiples of a PING', async function () {
    this.timeout(180_000);
    const { cells, ratios } = await run('^34 streams|^put to claim', '--quick');
    for (const { name, rows } of cells)
      for (const row of rows) {
        // one a round, however slow the machine is
        expect(row.wait?.samples, `${row.name} of ${name}`).to.be.at.least(2);
        expect(row.wait!.pings.median).to.be.greaterThan(0.5);
        expect(row.wait!.p99).to.be.at.least(row.wait!.p50);
      }
    expect(Object.keys(ratios)).to.include.members([
      '34 streams at 30 ms: p50 of run in PINGs',
      'put to claim: p50 of steal in PINGs',
    ]);
  });

  it('sends streams apart, whose chunks wait for others or do not', async function () {
    this.timeout(120_000);
    const { cells, ratios } = await run('^8 streams apart');
    const [{ rows }] = cells as [Report['cells'][number]];
    expect(rows.map(({ name }) => name)).to.deep.equal(['ours', 'flush 5', 'flush 20']);
    for (const { name, costs, wait } of rows) {
      // an iteration of each round
      expect(costs.count?.min, name).to.be.at.least(8);
      expect(wait?.samples, name).to.be.at.least(16);
    }
    expect(Object.keys(ratios)).to.include.members([
      '8 streams apart at 30 ms: Redis CPU, ours / flush 20',
      '8 streams apart at 30 ms: p50 of flush 5 in PINGs',
    ]);
  });

  it('draws a picture; fails with --check when a ratio exceeds the baseline, and says which', async function () {
    this.timeout(120_000);
    const baseline = join(folder, 'baseline.json');
    const args = ['--quick', '--baseline', baseline];
    const picture = join(folder, 'costs.svg');
    const { ratios } = await run('own$', ...args, '--write-baseline', '--picture', picture);
    expect(readFileSync(picture, 'utf8')).to.match(/^<svg [^]*64 streams, own[^]*<\/svg>\n$/);
    expect(JSON.parse(readFileSync(baseline, 'utf8'))).to.deep.equal(ratios);
    const again = await run('own$', ...args, '--check', '--slack', '100');
    expect(again.complaints).to.deep.equal([]);

    const name = '64 streams, own: Redis CPU, ours / lists';
    writeFileSync(baseline, JSON.stringify({ ...ratios, [name]: ratios[name]! / 1_000 }));
    const bench = start(['--only', 'own$', '--rounds', '1', '--seconds', '0.05', ...args, '--check']);
    expect(await bench.over).to.equal(1);
    expect(bench.said.stderr).to.contain(`bench: ${name}: `);
  });

  it('ends its processes at Ctrl-C, with exit code 130, no stack trace and no key left', async function () {
    this.timeout(60_000);
    const bench = start(['--only', '^put 8', '--seconds', '60', '--idle-nodes', '0']);
    await waitUntil(async () => (await benchKeys()).length > 0, 'a round has begun', 50_000);
    bench.interrupt();
    expect(await bench.over).to.equal(130);
    expect(bench.said.stdout).to.equal('');
    expect(bench.said.stderr).not.to.match(/^\s+at /m);
    await waitUntil(() => bench.isGone(), 'every process of the bench has ended');
    expect(await benchKeys()).to.deep.equal([]);
  });
});
