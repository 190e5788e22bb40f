import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import type { RunReport } from '../../../scripts/fleet/report.ts';
import { findKeys } from '../../support/leaks.ts';
import { useProgram } from '../../support/program.ts';
import { redisUrl, waitUntil } from '../../support/server.ts';

describe('npm run fleet', () => {
  const begin = useProgram('scripts/fleet/main.ts');
  let before: string[];

  /** Faster than delays could be measured well: whether each request runs and ends once does not depend on it. */
  const start = (args: readonly string[]) => begin(['--scale', '0.1', ...args]);

  const keysNow = async (): Promise<string[]> => {
    const redis = new Redis(redisUrl());
    try {
      return await findKeys(redis, 'fleet-');
    } finally {
      redis.disconnect();
    }
  };

  /** Not those of a run that was cut short before. */
  const fleetKeys = async (): Promise<string[]> => (await keysNow()).filter((key) => !before.includes(key));

  beforeEach(async () => (before = await keysNow()));

  it('serves the same requests with every policy, each once, and reports them against the ideal', async function () {
    this.timeout(180_000);
    const folder = mkdtempSync(join(tmpdir(), 'sched-lua-test-'));
    try {
      const picture = join(folder, 'fleet.svg');
      const fleet = start([
        ...['--policy', 'none,lucky,oldest,reference,two-choices', '--nodes', '3', '--requests', '30'],
        ...['--skew', '0.5', '--json', '--picture', picture],
      ]);
      expect(await fleet.over, fleet.said.stderr).to.equal(0);
      const { runs } = JSON.parse(fleet.said.stdout) as { runs: RunReport[] };
      expect(runs.map(({ policy }) => policy)).to.deep.equal([
        ...['ideal', 'none', 'lucky', 'oldest', 'reference', 'two-choices'],
      ]);
      const [ideal, ...live] = runs as [RunReport, ...RunReport[]];
      for (const run of runs) {
        expect(run, run.policy).to.deep.include({
          ...{ trace: 'quantiles', load: 0.9, skew: 0.5, seed: 1, nodes: 3, requests: 30, unsound: 0 },
          ask: 'late',
        });
        expect(run.queueDelayMs.p50).to.be.within(0, run.queueDelayMs.p99);
        expect(run.ttftP99Ms).to.be.greaterThan(run.queueDelayMs.p50);
        // half of the last digit that is told: 0.1 ms of both delays, 0.001 of their ratio
        const r99 = run.queueDelayMs.p99 / ideal.queueDelayMs.p99;
        expect(run.r99).to.be.closeTo(r99, 0.0006 + (0.05 * (1 + r99)) / (ideal.queueDelayMs.p99 - 0.05));
        expect(run.inversions).to.be.at.least(0);
        expect(run.workConservation).to.be.within(0, 1);
      }
      for (const run of live) {
        expect(run.commandsPerRequest, run.policy).to.be.greaterThan(1);
        expect(run.redisCpuUsPerRequest).to.be.greaterThan(0);
        expect(run.lateTimersMs).to.have.all.keys('p50', 'p99');
        if (run.policy === 'none' || run.policy === 'two-choices') expect(run.stolenShare).to.equal(0);
      }
      expect(readFileSync(picture, 'utf8')).to.match(/^<svg [^]*oldest[^]*<\/svg>\n$/);
      expect(await fleetKeys()).to.deep.equal([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('also has its nodes ask as soon as there is room', async function () {
    this.timeout(60_000);
    const fleet = start([
      ...['--policy', 'oldest', '--nodes', '2', '--requests', '20', '--ask', 'early', '--json'],
    ]);
    expect(await fleet.over, fleet.said.stderr).to.equal(0);
    const { runs } = JSON.parse(fleet.said.stdout) as { runs: RunReport[] };
    expect(runs[1]).to.deep.include({ policy: 'oldest', ask: 'early', requests: 20, unsound: 0 });
  });

  it('has all requests enter at fronts, which the engines take from, and measures what an idle front costs', async function () {
    this.timeout(120_000);
    const fleet = start(['--fronts', '2', '--nodes', '2', '--requests', '20', '--json']);
    expect(await fleet.over, fleet.said.stderr).to.equal(0);
    const { runs } = JSON.parse(fleet.said.stdout) as { runs: RunReport[] };
    expect(runs.map(({ policy }) => policy)).to.deep.equal(['ideal', 'lucky', 'oldest']);
    for (const run of runs)
      expect(run, run.policy).to.deep.include({
        ...{ nodes: 2, fronts: 2, requests: 20, unsound: 0, stolenShare: 1 },
      });
    for (const { idleMs, policy } of runs.slice(1)) {
      expect(
        idleMs!.map(({ generationMs }) => generationMs),
        policy,
      ).to.deep.equal([0, 10]);
      for (const { generationMs, front, owner } of idleMs!)
        expect(Math.min(front, owner)).to.be.greaterThan(generationMs * 0.9);
    }
    expect(fleet.said.stderr).to.match(/oldest: beside an idle engine a put has its result after /);
    expect(await fleetKeys()).to.deep.equal([]);
  });

  it('leaves no key behind at Ctrl-C, with exit code 130 and no stack trace', async function () {
    this.timeout(60_000);
    const fleet = start(['--policy', 'oldest', '--nodes', '2', '--requests', '5000']);
    await fleet.says('ideal');
    await waitUntil(async () => (await fleetKeys()).length > 0, 'the live run has begun', 50_000);
    fleet.interrupt();
    expect(await fleet.over).to.equal(130);
    expect(fleet.said.stderr).to.equal('');
    expect(await fleetKeys()).to.deep.equal([]);
  });

  it('answers bad usage with one clear line, a hint and exit code 2', async function () {
    this.timeout(120_000);
    const fleet = start(['--policy', 'best']);
    expect(await fleet.over).to.equal(2);
    expect(fleet.said).to.deep.equal({
      stdout: '',
      stderr:
        "sched-lua: option '--policy <list>' argument 'best' is invalid. " +
        'Allowed are none, lucky, oldest, reference, two-choices and ideal.\n' +
        'hint: run "npm run fleet -- --help"\n',
    });
  });
});
