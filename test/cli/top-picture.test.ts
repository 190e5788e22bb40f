// What `top` draws of a report that is written down here, character by character.
import { expect } from 'chai';
import { cells, crop, figure, short, trend } from '../../src/cli/top/cells.ts';
import { plainLine } from '../../src/cli/top/head.ts';
import { picture, type Picture, type Scene, type Size } from '../../src/cli/top/picture.ts';
import { FIRST_VIEW, type View } from '../../src/cli/top/view.ts';
import type { NodeRates, TopNode, TopReport } from '../../src/index.ts';
import { parseCard, type Card } from '../../src/protocol/card.ts';

const NOW = Date.UTC(2026, 0, 2, 12, 0, 3);

const rates = (more: Partial<NodeRates>): NodeRates => ({
  ...{ accepted: 0, finished: 0, failed: 0, cancelled: 0, expired: 0, claimed: 0, stolenIn: 0, stolenOut: 0 },
  ...{ givenBack: 0, leasesLost: 0, results: 0, resultBytes: 0, overMs: 4_000, ...more },
});

const card = (more: Partial<Card> = {}): Card => ({
  ...parseCard('{}')!,
  ...{ host: 'rack-1', pid: 7, version: '1.2.0', leaseMs: 30_000, keepAliveMs: 30_000, ...more },
});

const node = (name: string, more: Partial<TopNode> = {}): TopNode => ({
  ...{ name, home: 0, epoch: '0'.repeat(14), registeredUntil: NOW, state: 'registered' },
  ...{ engine: { largestPrompt: 8192, down: null }, condition: 'serving', waiting: 0, oldestMs: null },
  ...{ heardAt: NOW, nextTryAt: null, card: card(), rates: rates({}), ...more },
});

const REPORT: TopReport = {
  ...{ topic: 'chat', server: 'redis-1:6379', now: NOW, loadUnit: 'requests', largestPrompt: 8192 },
  memory: null,
  nodes: [
    node('front-1', {
      ...{ condition: 'front', engine: null, waiting: 21, oldestMs: 12_400 },
      card: card({
        ...{ role: 'front', host: 'web-1', pending: 30 },
        lastMinute: { queued: { count: 900, p50: 120, p99: 2_300 }, ran: null },
      }),
      rates: rates({ accepted: 62.5, finished: 58.3, failed: 1.2, stolenOut: 60 }),
    }),
    node('front-2', { condition: 'front', engine: null, card: card({ host: '東京-2' }), rates: null }),
    node('gpu-1', {
      card: card({
        ...{ held: 8, running: 8, room: { tokens: 30_720, requests: 4 } },
        lastMinute: { queued: null, ran: { count: 800, p50: 1_180, p99: 3_400 } },
      }),
      rates: rates({ claimed: 30, stolenIn: 30, results: 31.5, resultBytes: 12_345, leasesLost: 0.25 }),
    }),
    node('gpu-2', {
      engine: { largestPrompt: 8192, down: { failures: 4, pauseMs: 8_000, reason: 'fetch failed' } },
      ...{ condition: 'down', rates: rates({ claimed: 0.25, givenBack: 0.25 }) },
    }),
    node('gpu-3-of-a-very-long-name-of-a-pod-7c9f', { condition: 'silent', rates: null }),
    node('gpu-4', { state: 'left', condition: 'left', card: null, rates: null }),
  ],
  shards: [
    {
      ...{ shard: 0, waiting: 15, load: 15, oldestMs: 12_400, claims: 8, leases: { inTime: 7, overdue: 1 } },
      ...{ results: 2, dead: 3, visitedMs: 9 },
    },
    {
      ...{ shard: 1, waiting: 6, load: 6, oldestMs: 900, claims: 0, leases: { inTime: 0, overdue: 0 } },
      ...{ results: 0, dead: 0, visitedMs: null },
    },
  ],
  tooLarge: [],
  findings: [
    {
      ...{ kind: 'circuit_open', severity: 'warning', nodes: ['gpu-2'], shards: [] },
      text: 'circuit of gpu-2 open: fetch failed, next try in 8.0 s (4 failures in a row)',
      step: 'restart the engine behind process 4711 on rack-2; the node tries it by itself',
    },
    {
      ...{ kind: 'node_silent', severity: 'warning', nodes: ['gpu-3'], shards: [] },
      text: 'gpu-3-of-a-very-long-name-of-a-pod-7c9f has been silent for 21.0 s',
      step: 'look at process 7 on rack-1; if it is gone, start its successor',
    },
    {
      ...{ kind: 'draining', severity: 'note', nodes: ['gpu-9'], shards: [] },
      ...{ text: 'gpu-9 drains', step: 'wait for it; close({ drainMs }) bounds that' },
    },
  ],
  rates: {
    nodes: 3,
    ...rates({ accepted: 62.5, finished: 58.3, failed: 1.2, claimed: 30.25, stolenIn: 30, stolenOut: 60 }),
    ...{ givenBack: 0.25, leasesLost: 0.25, results: 31.5, resultBytes: 12_345 },
  },
  change: { overMs: 2_000, waiting: -3, dead: 0.5 },
  queued: { count: 900, p50: 120, p99: 2_300 },
  ran: { count: 800, p50: 1_180, p99: 3_400 },
};

const draw = (size: Size, view: Partial<View> = {}, more: Partial<Scene> = {}): Picture =>
  picture({ report: REPORT, view: { ...FIRST_VIEW, ...view }, everyMs: 2_000, ...more }, size);
const textOf = ({ lines }: Picture): string[] => lines.map(({ text }) => text);

/** The first column of the table. */
const names = (drawn: Picture): string[] => {
  const text = textOf(drawn);
  const heading = text.findIndex((line) => line.startsWith('NODE'));
  const rows = text.slice(heading + 1, -1).filter((line) => line !== '');
  return rows.map((line) => line.split(' ')[0]!);
};

const STANDARD = { columns: 80, rows: 24 };

describe('the picture of top', () => {
  it('fits 80 columns', () => {
    expect(textOf(draw(STANDARD))).to.deep.equal([
      'sched-lua top  chat  redis-1:6379  12:00:03 UTC  every 2.0 s',
      '4 nodes (2 engines, 1 silent)  2 shards  waiting 21 (-3/s)',
      'accepted 63/s  finished 58/s  failed 1.2/s  cancelled 0/s  expired 0/s',
      'claimed 8 overdue 1  stolen in 30/s out 60/s  given back 0.3/s  lost 0.3/s',
      'queued p50 120ms p99 2.3s  ran p50 1.2s p99 3.4s  oldest 12.4s  dead 3 (+0.5/s)',
      'warning: circuit of gpu-2 open: fetch failed, next try in 8.0 s (4 failures in a',
      '  row)',
      '=> restart the engine behind process 4711 on rack-2; the node tries it by itself',
      'warning: gpu-3-of-a-very-long-name-of-a-pod-7c9f has been silent for 21.0 s',
      '=> look at process 7 on rack-1; if it is gone, start its successor',
      'note: gpu-9 drains',
      '=> wait for it; close({ drainMs }) bounds that',
      '',
      'NODE       STATE   WAIT OLDEST RUN ACC/s FIN/s CLM/s IN/s OUT/s  Q.50 Q.99  ROOM',
      'front-1    front     21  12.4s   -    63    58     0    0    60 120ms 2.3s     -',
      'front-2    front      0      -   -     -     -     -    -     -     -    -     -',
      'gpu-1      serving    0      -   8     0     0    30   30     0     -    - 30720',
      'gpu-2      down       0      -   0     0     0   0.3    0     0     -    -     -',
      'gpu-3…7c9f silent     0      -   0     -     -     -    -     -     -    -     -',
      'gpu-4      left       0      -   -     -     -     -    -     -     -    -     -',
      ...['', '', ''],
      'by WAIT  q quit  h help  / filter  s sort  t shards',
    ]);
  });

  it('shows more on 120', () => {
    expect(textOf(draw({ columns: 120, rows: 18 })).slice(5)).to.deep.equal([
      'warning: circuit of gpu-2 open: fetch failed, next try in 8.0 s (4 failures in a row)',
      '=> restart the engine behind process 4711 on rack-2; the node tries it by itself',
      'warning: gpu-3-of-a-very-long-name-of-a-pod-7c9f has been silent for 21.0 s',
      '=> look at process 7 on rack-1; if it is gone, start its successor',
      'note: gpu-9 drains',
      '=> wait for it; close({ drainMs }) bounds that',
      '',
      'NODE         STATE   WAIT OLDEST RUN ACC/s FIN/s CLM/s IN/s OUT/s  Q.50 Q.99  ROOM R.50 R.99 FAIL/s LOST/s BACK/s HOST',
      'front-1      front     21  12.4s   -    63    58     0    0    60 120ms 2.3s     -    -    -    1.2      0      0 web-1',
      'front-2      front      0      -   -     -     -     -    -     -     -    -     -    -    -      -      -      - 東京-2',
      'gpu-1        serving    0      -   8     0     0    30   30     0     -    - 30720 1.2s 3.4s      0    0.3      0 rack-1',
      'gpu-2        down       0      -   0     0     0   0.3    0     0     -    -     -    -    -      0      0    0.3 rack-1',
      'by WAIT  q quit  h help  / filter  s sort  t shards',
    ]);
  });

  it('has lines of the size of the screen and no more, and says how many findings are left out', () => {
    for (const size of [
      { columns: 80, rows: 12 },
      { columns: 40, rows: 9 },
      { columns: 200, rows: 60 },
      { columns: 20, rows: 3 },
      { columns: 0, rows: 0 },
    ]) {
      for (const view of [{}, { help: true }, { table: 'shards' as const }, { typed: 'x', filter: 'x' }]) {
        const text = textOf(draw(size, view));
        expect(text).to.have.length(Math.max(3, size.rows));
        expect(Math.max(...text.map(cells))).to.be.at.most(Math.max(20, size.columns));
      }
    }
    const small = textOf(draw({ columns: 80, rows: 12 }));
    expect(small.slice(0, 6), 'what is wrong comes before figures').to.deep.equal([
      'sched-lua top  chat  redis-1:6379  12:00:03 UTC  every 2.0 s',
      'warning: circuit of gpu-2 open: fetch failed, next try in 8.0 s (4 failures in a',
      '  row)',
      '=> restart the engine behind process 4711 on rack-2; the node tries it by itself',
      'and 2 more, see sched-lua status',
      '4 nodes (2 engines, 1 silent)  2 shards  waiting 21 (-3/s)',
    ]);
  });

  it('shows the shards, and the rows that the keys moved to', () => {
    const shards = draw(STANDARD, { table: 'shards' });
    expect(textOf(shards).slice(13, 16)).to.deep.equal([
      'SHARD WAIT OLDEST CLAIMS OVERDUE LOAD RESULTS DEAD SEEN',
      '    0   15  12.4s      8       1   15       2    3  9ms',
      '    1    6  900ms      0       0    6       0    0    -',
    ]);
    expect(shards).to.include({ rows: 2 });
    const few = { columns: 80, rows: 15 };
    expect(names(draw(few))).to.deep.equal(['front-1', 'front-2', 'gpu-1']);
    expect(names(draw(few, { from: 2 }))).to.deep.equal(['gpu-1', 'gpu-2', 'gpu-3…7c9f']);
    expect(names(draw(few, { from: 99 })).at(-1), 'never past the last').to.equal('gpu-4');
    expect(draw(few)).to.include({ rows: 6, height: 3 });
  });

  it('sorts, what is not known at the end, and filters', () => {
    const sorted = (title: string, reversed = false): string[] =>
      names(draw(STANDARD, { sort: { nodes: title, shards: 'SHARD' }, reversed }));
    expect(sorted('NODE').slice(0, 3)).to.deep.equal(['front-1', 'front-2', 'gpu-1']);
    expect(sorted('NODE', true).slice(0, 2)).to.deep.equal(['gpu-4', 'gpu-3…7c9f']);
    expect(sorted('CLM/s')).to.deep.equal(['gpu-1', 'gpu-2', 'front-1', 'front-2', 'gpu-3…7c9f', 'gpu-4']);
    expect(sorted('CLM/s', true)).to.deep.equal([
      ...['front-1', 'gpu-2', 'gpu-1', 'front-2', 'gpu-3…7c9f', 'gpu-4'],
    ]);
    expect(sorted('HOST')[0]).to.equal('gpu-1');
    const filtered = draw(STANDARD, { filter: 'GPU', typed: 'GPU' });
    expect(names(filtered)).to.deep.equal(['gpu-1', 'gpu-2', 'gpu-3…-7c9f', 'gpu-4']);
    expect(textOf(filtered).at(-1)).to.equal('/GPU_  4 of 6 nodes  Enter keep  Esc drop');
    const kept = textOf(draw(STANDARD, { filter: 'zzz' }));
    expect(kept[13]).to.match(/^NODE STATE/);
    expect(kept.at(-1)).to.equal('/zzz: 0 of 6 nodes  by WAIT  q quit  h help  / filter  s sort  t shards');
  });

  it('explains keys and columns on one screen', () => {
    const help = textOf(draw(STANDARD, { help: true }));
    expect(help[1]).to.equal('KEYS');
    for (const start of ['/ ', 't  Tab', 'COLUMNS', 'ACC/s', 'Q.99', 'BACK/s'])
      expect(
        help.some((text) => text.startsWith(start)),
        start,
      ).to.equal(true);
    expect(help.at(-1)).to.equal('any key: back  q quit');
  });

  it('says since when Redis does not answer, and why, above what is known of before', () => {
    const trouble = { why: 'connect ECONNREFUSED 127.0.0.1:6379\u001b[2J', ms: 7_000 };
    const { lines } = draw(STANDARD, {}, { trouble });
    expect(lines[5]).to.deep.equal({
      text: 'no answer from Redis for 7.0 s: connect ECONNREFUSED 127.0.0.1:6379 [2J; this is',
      tone: 'bad',
    });
    expect(names({ lines, rows: 0, height: 0 }), 'above').to.include('front-1');
  });

  it('marks what is bad for a terminal with colours', () => {
    const tones = draw(STANDARD).lines.map(({ tone }) => tone);
    expect([tones[0], tones[5], tones[13], tones[14]]).to.deep.equal(['title', 'warned', 'heading', 'plain']);
    expect(tones.slice(17, 20)).to.deep.equal(['bad', 'bad', 'faint']);
  });
});

describe('the line of top', () => {
  it('has the figures of the topic, and the worst of what is wrong', () => {
    expect(plainLine(REPORT)).to.equal(
      '12:00:03Z nodes 4 engines 2 waiting 21 (-3/s) oldest 12.4s claimed 8 overdue 1 accepted 63/s finished 58/s ' +
        'failed 1.2/s cancelled 0/s expired 0/s stolen in 30/s out 60/s queued p50 120ms p99 2.3s lost 0.3/s dead 3; ' +
        'warning: circuit of gpu-2 open: fetch failed, next try in 8.0 s (4 failures in a row) (and 2 more)',
    );
    const quiet = { ...REPORT, rates: null, change: null, queued: null, findings: [], shards: [] };
    expect(plainLine(quiet)).to.equal(
      '12:00:03Z nodes 4 engines 2 waiting 0 oldest - claimed 0 overdue 0 accepted - finished - ' +
        'failed - cancelled - expired - stolen in - out - queued p50 - p99 - lost - dead 0',
    );
  });
});

describe('figures in few characters', () => {
  it('are numbers, changes and durations', () => {
    const numbers = [0, 0.04, 0.25, 9.94, 9.96, 34.4, 999.4, 999.6, 3_400, 34_000, 999_600, 2e9, 5e13, -3];
    expect(numbers.map(figure)).to.deep.equal([
      ...['0', '0', '0.3', '9.9', '10', '34', '999', '1k', '3.4k', '34k', '1M', '2G', '50T', '-3'],
    ]);
    expect([3, 0, -0.2].map(trend)).to.deep.equal(['+3', '+0', '-0.2']);
    const times = [0, 999, 1_000, 99_900, 100_000, 299_000, 300_000, 7_199_000, 7_200_000, 4e8];
    expect(times.map(short)).to.deep.equal([
      ...['0ms', '999ms', '1.0s', '99.9s', '100s', '299s', '5.0m', '120m', '2.0h', '111h'],
    ]);
  });

  it('know how many cells a text takes, and cut it there', () => {
    expect(['abc', '東京', 'e\u0301', 'a\u200bb', '🚀'].map(cells)).to.deep.equal([3, 4, 1, 2, 2]);
    expect([crop('東京-2', 3), crop('東京-2', 4), crop('abc', 5), crop('🚀x', 1)]).to.deep.equal([
      ...['東', '東京', 'abc', ''],
    ]);
  });
});
