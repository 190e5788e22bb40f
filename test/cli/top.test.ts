// `top` of a fleet of real nodes: as plain lines, as JSON, on a terminal; and of a Redis that goes away.
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import type { TopReport } from '../../src/index.ts';
import { requests, room, useFleet } from '../support/fleet.ts';
import { DURABLE, useOwnRedis } from '../support/own-redis.ts';
import { PseudoTerminal } from '../support/pseudo-terminal.ts';
import { exemptFromTtlCheck, freshTopic, redisUrl, waitUntil } from '../support/server.ts';
import { runCli, seedNode, shellCommand, startCli, withClient } from './support.ts';

const LONG_MS = 60_000;
const LINE =
  /^\d\d:\d\d:\d\dZ nodes 2 engines 1 waiting 0( \(\S+\/s\))? oldest - claimed 0 overdue 0 accepted \S+ .* dead 0(; |$)/;

describe('sched-lua top', function () {
  this.timeout(120_000);
  const fleet = useFleet();

  const looks = async (count: number): Promise<TopReport[]> => {
    const args = ['top', '--json', '--count', String(count), '--interval', '0.1', fleet.topic];
    const { code, stdout, stderr } = await runCli(args, redisUrl());
    expect([code, stderr]).to.deep.equal([0, '']);
    return stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as TopReport);
  };

  async function served(): Promise<void> {
    const front = await fleet.start('front-1');
    const engine = await fleet.start('gpu-1');
    void engine.run(({ id }) => id, { budget: room(4) });
    await Promise.all(requests('r', 5).map((one) => front.submit(one).result()));
  }

  it('tells what nodes of a fleet do in a second, node by node and in all', async () => {
    await served();
    let report: TopReport | undefined;
    await waitUntil(
      async () => {
        [report] = await looks(1);
        return report!.nodes.every(
          ({ card }) => (card?.totals.finished ?? 0) + (card?.totals.results ?? 0) >= 5,
        );
      },
      'their next renewals have told it',
      LONG_MS,
    );
    const of = (name: string) => report!.nodes.find((node) => node.name === name)!;
    const { rates } = of('front-1');
    // young nodes are told from their starts
    expect(rates!.overMs).to.equal(of('front-1').card!.upMs);
    expect(rates!.accepted * rates!.overMs).to.be.closeTo(5_000, 0.001 * rates!.overMs);
    expect(rates!.stolenOut).to.equal(rates!.finished);
    expect(of('gpu-1').rates!.stolenIn).to.be.above(0);
    expect(report!.rates).to.deep.include({ nodes: 2, accepted: rates!.accepted, failed: 0 });
    expect(report!.queued!.count).to.equal(5);
    expect(report!.queued!.p50).to.equal(of('front-1').card!.lastMinute.queued!.p50);
    expect(report).to.deep.include({ change: null, findings: [] });
  });

  it('prints an object a look, of which the second tells what has changed', async () => {
    await served();
    const [first, second, third] = await looks(3);
    expect([first!.change, third!.change === null]).to.deep.equal([null, false]);
    expect(second!.change).to.deep.equal({ overMs: second!.now - first!.now, waiting: 0, dead: 0 });
    expect(second!.nodes.map(({ name }) => name)).to.deep.equal(['front-1', 'gpu-1']);
  });

  it('prints a line a look where there is no terminal', async () => {
    await served();
    const args = ['top', '--count', '3', '--interval', '.1', fleet.topic];
    const { code, stdout, stderr } = await runCli(args, redisUrl());
    expect([code, stderr]).to.deep.equal([0, '']);
    const lines = stdout.trimEnd().split('\n');
    expect(lines).to.have.length(3);
    for (const line of lines) expect(line).to.match(LINE);
  });

  it('refuses a topic that there is not, and figures that make no sense', async () => {
    const missing = await runCli(['top', `${fleet.topic}-not`], redisUrl());
    expect(missing.code).to.equal(1);
    expect(missing.stderr).to.match(/^sched-lua: no such topic: /);
    for (const wrong of [
      ['--interval', '0'],
      ['--interval', '1e3'],
      ['--count', '0'],
      ['--count', '1.5'],
    ]) {
      const { code, stderr } = await runCli(['top', ...wrong, fleet.topic], redisUrl());
      expect([wrong, code]).to.deep.equal([wrong, 2]);
      expect(stderr).to.match(/Allowed is a[n]? /);
    }
  });

  describe('on a terminal (by script and stty; skipped without them)', () => {
    let terminal: PseudoTerminal | undefined;
    before(function () {
      if (!PseudoTerminal.isPossible) this.skip();
    });
    afterEach(() => terminal?.kill());

    const open = async (more: string[] = [], env: Record<string, string> = {}): Promise<PseudoTerminal> => {
      await served();
      const command = shellCommand(['top', '--interval', '0.2', ...more, fleet.topic]);
      const shell = `${command}; code=$?; stty -a; exit $code`;
      return (terminal = new PseudoTerminal(shell, { SCHED_LUA_REDIS_URL: redisUrl(), ...env }));
    };
    /** What is left of it when it has ended: the terminal as it was. */
    const restored = /\u001b\[\?25h\u001b\[\?1049l[^]* icanon[^]* echo /;

    it('draws on a screen of its own, sorts, filters, follows its size, and leaves all as it was', async () => {
      const shown = await open();
      await shown.sees(/\u001b\[\?1049h[^]*\u001b\[1;1H\u001b\[1msched-lua top {2}[^]*gpu-1 +(idle|serving)/);
      const mark = (): number => shown.seen.length;
      let from = mark();
      shown.press('?');
      await shown.sees(/KEYS[^]*any key: back {2}q quit/, from);
      from = mark();
      shown.press('x');
      await shown.sees(/by WAIT {2}q quit/, from);
      from = mark();
      shown.press('s');
      await shown.sees(/by OLDEST {2}q quit/, from);
      from = mark();
      shown.press('/front');
      await shown.sees(/\/front_ {2}1 of 2 nodes/, from);
      from = mark();
      shown.press('\r');
      await shown.sees(/\/front: 1 of 2 nodes {2}by OLDEST/, from);
      from = mark();
      shown.resize(30, 130);
      await shown.sees(/\u001b\[2J[^]*R\.99 FAIL\/s LOST\/s[^]*\u001b\[30;1H/, from);
      from = mark();
      shown.press('q');
      await shown.sees(restored, from);
      expect(await shown.end()).to.equal(0);
    });

    it('ends with 130 at Ctrl-C; the terminal is as it was', async () => {
      const shown = await open();
      await shown.sees(/q quit/);
      shown.press('\u0003');
      expect(await shown.end()).to.equal(130);
      expect(shown.seen).to.match(restored);
    });

    it('ends with its last look; it uses no colours if it may not, and no screen where there can be none', async () => {
      const plain = await open(['--count', '2'], { NO_COLOR: '1' });
      expect(await plain.end()).to.equal(0);
      expect(plain.seen)
        .to.match(/\u001b\[1;1Hsched-lua top/)
        .and.to.match(restored);
      expect(plain.seen).not.to.match(/\u001b\[[\d;]*m/);
      const command = shellCommand(['top', '--interval', '0.2', '--count', '2', fleet.topic]);
      terminal = new PseudoTerminal(command, { SCHED_LUA_REDIS_URL: redisUrl(), TERM: 'dumb' });
      expect(await terminal.end()).to.equal(0);
      expect(terminal.seen).not.to.include('\u001b');
      expect(terminal.seen.match(/^\d\d:\d\d:\d\dZ nodes 2 /gm)).to.have.length(2);
    });
  });
});

describe('sched-lua top of a Redis that goes away', function () {
  this.timeout(120_000);
  const redis = useOwnRedis(DURABLE);

  /** `top`, and what it prints. */
  function watch(args: readonly string[]) {
    const child = startCli(['top', '--interval', '0.2', '--timeout', '1000', ...args], redis.url);
    const lines: string[] = [];
    createInterface(child.stdout).on('line', (line) => lines.push(line));
    return { child, lines };
  }

  it('says so, waits, and goes on: in words and as JSON', async () => {
    const topic = freshTopic();
    exemptFromTtlCheck(topic);
    await withClient(redis.url, (client) =>
      seedNode(client, topic, 'a', 1, { puts: 2, keepAliveMs: 600_000 }),
    );
    const both = [
      { ...watch([topic]), fine: /^\S+Z nodes 1 .* waiting 2 /, gone: /^no answer from Redis for \S+ m?s: / },
      {
        ...watch(['--json', topic]),
        fine: /^\{"ok":true,"topic":"/,
        gone: /^\{"ok":false,"topic":"[^"]+","sinceMs":\d+,"error":\{"code":"(REDIS|TIMEOUT)","message":"/,
      },
    ];
    try {
      for (const { lines, fine } of both)
        await waitUntil(() => lines.some((line) => fine.test(line)), 'it looks', LONG_MS);
      await redis.restart(1_500);
      for (const { lines, gone } of both)
        await waitUntil(() => lines.some((line) => gone.test(line)), 'it says that Redis is gone', LONG_MS);
      for (const { lines, fine } of both)
        await waitUntil(() => fine.test(lines.at(-1)!), 'it goes on', LONG_MS);
      for (const { child, lines, fine, gone } of both) {
        child.kill('SIGINT');
        expect(await once(child, 'close')).to.deep.equal([130, null]);
        expect(lines.filter((line) => !fine.test(line) && !gone.test(line))).to.deep.equal([]);
      }
    } finally {
      for (const { child } of both) child.kill('SIGKILL');
    }
  });
});
