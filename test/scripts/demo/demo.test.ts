import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { parseOptions, type DemoOptions } from '../../../scripts/demo/options.ts';
import { makePlan } from '../../../scripts/demo/plan.ts';
import type { Outcome } from '../../../scripts/demo/report.ts';
import { render, renderLine, type View } from '../../../scripts/demo/screen.ts';
import type { Happening } from '../../../scripts/lib/harness/happenings.ts';
import { HistoryReader, HistoryWriter } from '../../../scripts/lib/harness/history.ts';
import { UsageError } from '../../../src/cli/output.ts';
import { findKeys } from '../../support/leaks.ts';
import { useProgram } from '../../support/program.ts';
import { redisUrl, waitUntil } from '../../support/server.ts';

describe('the demo', () => {
  describe('a history', () => {
    it('is read while it is written, whole lines only', () => {
      const folder = mkdtempSync(join(tmpdir(), 'sched-lua-test-'));
      const path = join(folder, 'history');
      const reader = new HistoryReader<Happening>(path);
      try {
        const writer = new HistoryWriter<Happening>(path);
        expect(reader.read()).to.deep.equal([]);
        writer.write({ what: 'accepted', id: 'grün' });
        const line = Buffer.from(`${JSON.stringify({ at: 5, what: 'accepted', id: 'öde' })}\n`);
        appendFileSync(path, line.subarray(0, 32));
        expect(reader.read().map((entry) => ('id' in entry ? entry.id : ''))).to.deep.equal(['grün']);
        appendFileSync(path, line.subarray(32));
        expect(reader.read()).to.deep.equal([{ at: 5, what: 'accepted', id: 'öde' }]);
        for (let i = 0; i < 3_000; i += 1)
          writer.write({ what: 'accepted', id: `long-${i}-${'ü'.repeat(30)}` });
        writer.close();
        expect(reader.read()).to.have.lengthOf(3_000);
      } finally {
        reader.close();
        rmSync(folder, { recursive: true });
      }
    });
  });

  describe('its plan', () => {
    const options: DemoOptions = {
      nodes: 4,
      seconds: 20,
      seed: 1,
      policy: 'oldest',
      kill: true,
      json: false,
    };

    it('offers what the fleet can serve in that time, more of it at node 0, the same for the same seed', async () => {
      const plan = await makePlan(options);
      expect(plan.arrivals.at(-1)!.atMs).to.be.closeTo(20_000, 1_000);
      expect(plan.load).to.be.within(0.8, 0.9);
      const atNode0 = plan.arrivals.filter(({ owner }) => owner === 0).length;
      expect(atNode0 / plan.arrivals.length).to.be.within(0.3, 0.4);
      expect(await makePlan(options)).to.deep.equal(plan);
      expect(await makePlan({ ...options, seed: 2 })).not.to.deep.equal(plan);
    });

    it('refuses a trace that cannot be read, with a hint', async () => {
      const error = await makePlan({ ...options, trace: '/missing.csv' }).catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(UsageError);
      expect((error as UsageError).message).to.match(/^--trace: .*\/missing\.csv/);
    });

    it('has the defaults that its help promises', () => {
      const { nodes, seconds, kill, policy, json } = parseOptions([])!;
      expect({ nodes, seconds, kill, policy, json }).to.deep.equal({
        ...{ nodes: 4, seconds: 20, kill: true, policy: 'oldest', json: false },
      });
      expect(parseOptions(['--no-kill'])!.kill).to.equal(false);
      for (const args of [
        ['--nodes', '1'],
        ['--seconds', 'x'],
        ['--seed', '-1'],
        ['--policy', 'best'],
        ['x'],
      ])
        expect(() => parseOptions(args), args.join(' ')).to.throw(UsageError);
    });
  });

  describe('its screen', () => {
    const view: View = {
      elapsedMs: 12_345,
      arrivalMs: 20_000,
      offered: 2_000,
      rows: [
        {
          ...{
            node: 'node-0',
            state: 'starting',
            waiting: 1_234,
            running: 34,
            accepted: 12_345,
            finished: 12_000,
          },
          ...{ stolenIn: 100, stolenOut: 23_456, delays: [1, 250, 61_000] },
        },
        {
          ...{ node: 'node-31', state: 'up', waiting: 0, running: 0, accepted: 0, finished: 0 },
          ...{ stolenIn: 0, stolenOut: 0, delays: [] },
        },
      ],
      events: [' 10.0 s  node-0 is killed (SIGKILL): 34 running, 345 of its own pending'],
    };

    it('shows every figure within 80 columns', () => {
      const picture = render({ ...view, offered: 12_345 }, false);
      expect(picture).to.match(/12\.3 s of 20\.0 s .* 12000 of 12345 finished, 345 pending/);
      expect(picture).to.match(/node-0 +starting +1234 +34 +12345 +12000 +100 +23456 +250 ms 59\.8 s/);
      expect(picture).to.match(/node-31 up +0 +0 +0 +0 +0 +0 +- +-/);
      expect(picture).to.contain('node-0 is killed');
      for (const line of picture.split('\n')) expect(line.length, line).to.be.at.most(80);
    });

    it('says it in one line where there is no terminal', () => {
      expect(renderLine(view)).to.equal(
        ' 12.3 s  accepted 12345, finished 12000, stolen 100, delay p50 250 ms p99 59.8 s; ' +
          'waiting+running: node-0 1234 (starting), node-31 0+0',
      );
    });
  });
});

describe('npm run demo', () => {
  const start = useProgram('scripts/demo/main.ts');

  async function demoKeys(topic: string): Promise<string[]> {
    const redis = new Redis(redisUrl());
    try {
      return await findKeys(redis, topic);
    } finally {
      redis.disconnect();
    }
  }

  it('keeps every promise through the death of a node, and leaves nothing behind', async function () {
    this.timeout(120_000);
    const demo = start(['--nodes', '4', '--seconds', '3', '--seed', '1', '--json']);
    const code = await demo.over;
    const object = JSON.parse(demo.said.stdout) as Outcome & Record<string, unknown>;
    expect(object.broken, demo.said.stderr).to.deep.equal([]);
    expect(code).to.equal(0);
    expect(object).to.include({
      verdict: 'kept',
      lost: 0,
      duplicated: 0,
      nodes: 4,
      seed: 1,
      policy: 'oldest',
    });
    expect(object.accepted)
      .to.be.greaterThan(100)
      .and.to.equal(object.finished + object.endedWithOwner);
    expect(object.stolen).to.be.greaterThan(0);
    expect(object.reclaimed).to.be.greaterThan(0);
    expect(object.queueDelayMs.p99).to.be.at.least(object.queueDelayMs.p50);
    expect(object.killed).to.have.property('takenOverMs').that.is.a('number');
    expect(demo.said.stderr).to.match(/is killed \(SIGKILL\)/);
    await waitUntil(() => demo.isGone(), 'every process of the demo has ended');
    expect(await demoKeys(object.topic)).to.deep.equal([]);
  });

  it('ends all its processes at Ctrl-C, with exit code 130 and no stack trace', async function () {
    this.timeout(120_000);
    const demo = start(['--nodes', '2', '--no-kill']);
    await demo.says('accepted');
    demo.interrupt();
    expect(await demo.over).to.equal(130);
    expect(demo.said.stderr).to.equal('');
    await waitUntil(() => demo.isGone(), 'every process of the demo has ended');
    const [, topic] = /topic (demo-\w+)/.exec(demo.said.stdout)!;
    expect(await demoKeys(topic!)).to.deep.equal([]);
  });

  it('answers bad usage with one clear line, a hint and exit code 2', async function () {
    this.timeout(120_000);
    const demo = start(['--nodes', 'many']);
    expect(await demo.over).to.equal(2);
    expect(demo.said).to.deep.equal({
      stdout: '',
      stderr:
        "sched-lua: option '--nodes <n>' argument 'many' is invalid. Allowed is an integer from 2 to 32.\n" +
        'hint: run "npm run demo -- --help"\n',
    });
  });
});
