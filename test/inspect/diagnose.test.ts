// What is wrong with a topic, from a status that is written down here: a table of every kind, with its words.
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { diagnose } from '../../src/inspect/diagnose.ts';
import type { NodeStatus, TopicStatus } from '../../src/inspect/status-report.ts';
import { parseCard, type Card } from '../../src/protocol/card.ts';

const NOW = 1_000_000;

const card = (more: Partial<Card> = {}): Card => ({
  ...parseCard('{}')!,
  ...{ host: 'h1', pid: 7, version: '1.0.0', leaseMs: 30_000, keepAliveMs: 30_000, ...more },
});

const node = (name: string, more: Partial<NodeStatus> = {}): NodeStatus => ({
  ...{ name, home: 0, epoch: '0'.repeat(14), registeredUntil: NOW + 30_000, state: 'registered' },
  ...{ engine: { largestPrompt: 8192, down: null }, condition: 'serving', waiting: 0, oldestMs: null },
  ...{ heardAt: NOW, nextTryAt: null, card: card(), ...more },
});

const front = (name: string, more: Partial<NodeStatus> = {}): NodeStatus =>
  node(name, { engine: null, condition: 'front', ...more });

const shard = (
  number: number,
  more: Partial<TopicStatus['shards'][number]> = {},
): TopicStatus['shards'][number] => ({
  ...{ shard: number, waiting: 0, load: 0, oldestMs: null, claims: 0, leases: { inTime: 0, overdue: 0 } },
  ...{ results: 0, dead: 0, visitedMs: 1_000, ...more },
});

const status = (more: Partial<TopicStatus>): TopicStatus => ({
  ...{
    topic: 't',
    server: 'localhost:6379',
    now: NOW,
    loadUnit: 'requests',
    largestPrompt: 8192,
    memory: null,
  },
  ...{ nodes: [node('gpu-1')], shards: [shard(0)], tooLarge: [], ...more },
});

/** `severity kind: text`, of each. */
const found = (more: Partial<TopicStatus>): string[] =>
  diagnose(status(more)).map(({ severity, kind, text }) => `${severity} ${kind}: ${text}`);

const down = { failures: 4, pauseMs: 8_000, reason: 'fetch failed' };
const broken = (name: string, more: Partial<NodeStatus> = {}): NodeStatus =>
  node(name, { engine: { largestPrompt: 8192, down }, condition: 'down', ...more });
const silent = (name: string, ms: number, more: Partial<NodeStatus> = {}): NodeStatus =>
  node(name, { condition: 'silent', heardAt: NOW - ms, ...more });

describe('the diagnosis of a topic', () => {
  it('finds nothing wrong with one that works, or is not used', () => {
    expect(found({})).to.deep.equal([]);
    expect(found({ shards: [shard(0, { waiting: 9, claims: 3, oldestMs: 60_000 })] })).to.deep.equal([]);
    expect(found({ nodes: [node('a', { state: 'left', condition: 'left', card: null })] })).to.deep.equal([]);
    expect(found({ memory: { used: 10 * 2 ** 20, max: 0 } })).to.deep.equal([]);
  });

  const rows: [title: string, what: Partial<TopicStatus>, expected: string[]][] = [
    [
      'a server that is full',
      { memory: { used: 100 * 2 ** 20, max: 100 * 2 ** 20 } },
      ['broken memory_full: Redis is out of memory (100.0 of 100.0 MiB): puts are refused'],
    ],
    [
      'a server that is nearly full',
      { memory: { used: 80 * 2 ** 20, max: 100 * 2 ** 20 } },
      ['warning memory_low: Redis has used 80.0 of 100.0 MiB: puts are refused when it is full'],
    ],
    ['a server that has room', { memory: { used: 79 * 2 ** 20, max: 100 * 2 ** 20 } }, []],
    [
      'work without any node',
      { nodes: [], shards: [shard(0, { waiting: 1, oldestMs: 50_000 })] },
      ['broken no_node: no node lives: 1 request waits'],
    ],
    [
      'fronts without an engine, and work',
      {
        nodes: [front('f-1'), front('f-2')],
        shards: [shard(0, { waiting: 2, oldestMs: 5 }), shard(1, { waiting: 1 })],
      },
      ['broken no_engine: no living node has an engine: 2 nodes accept, 3 requests wait'],
    ],
    [
      'fronts whose engine is silent, and no work',
      { nodes: [front('f-1'), silent('gpu-1', 25_000)] },
      [
        'warning no_engine: no living node has an engine: 1 node accepts, 0 requests wait',
        'warning node_silent: gpu-1 has been silent for 25.0 s',
      ],
    ],
    [
      'engines that are all down',
      {
        nodes: [broken('gpu-2', { nextTryAt: NOW + 8_000 })],
        shards: [shard(0, { waiting: 4, oldestMs: 5 })],
      },
      [
        'broken engines_down: every living engine is down: 4 requests wait',
        'warning circuit_open: circuit of gpu-2 open: fetch failed, next try in 8.0 s (4 failures in a row)',
      ],
    ],
    [
      'one engine of two that is down, whose trial runs, or is not known',
      { nodes: [node('gpu-1'), broken('gpu-2', { nextTryAt: NOW - 1 }), broken('gpu-3')] },
      [
        'warning circuit_open: circuit of gpu-2 open: fetch failed, a request tries it now (4 failures in a row)',
        'warning circuit_open: circuit of gpu-3 open: fetch failed, tried again 8.0 s after the last (4 failures in a row)',
      ],
    ],
    [
      'a shard that nobody looks at',
      { shards: [shard(0), shard(1, { waiting: 2, claims: 1, oldestMs: 50_000, visitedMs: 40_000 })] },
      ['broken shard_unseen: nobody has looked at shard 1 for 40.0 s: 2 requests wait there, 1 claim'],
    ],
    [
      'a shard that nobody has ever looked at',
      { shards: [shard(0, { waiting: 1, oldestMs: 50_000, visitedMs: null })] },
      ['broken shard_unseen: nobody has looked at shard 0 for 50.0 s: 1 request waits there, 0 claims'],
    ],
    [
      'no shard whose work is younger than a lease, or that has none',
      {
        shards: [
          shard(0, { waiting: 1, oldestMs: 29_000, visitedMs: null }),
          shard(1, { visitedMs: 90_000 }),
          shard(2, { visitedMs: 29_000, claims: 1 }),
        ],
      },
      [],
    ],
    [
      'the head that fits no engine',
      { tooLarge: [{ shard: 3, node: 'front-1', id: 'r', tokens: 9_000, behind: 20 }] },
      [
        'warning head_fits_none: the head of front-1 in shard 3 (9000 tokens) fits no living engine (largest 8192); 20 wait behind it',
      ],
    ],
    [
      'a silent node: when its claims return, and what of its own waits',
      {
        nodes: [
          node('gpu-1'),
          silent('gpu-3', 21_000, { card: card({ held: 14 }), waiting: 2 }),
          silent('gpu-4', 40_000, { card: card({ held: 1 }) }),
          silent('gpu-5', 40_000, { card: null, heardAt: null, registeredUntil: NOW - 5_000 }),
        ],
      },
      [
        'warning node_silent: gpu-3 has been silent for 21.0 s; its 14 claims return in 9.0 s; 2 that it accepted wait for others',
        'warning node_silent: gpu-4 has been silent for 40.0 s; its 1 claim has returned',
        'warning node_silent: gpu-5 has been silent for at least 5.0 s',
      ],
    ],
    [
      'versions and policies that differ, of those that are here',
      {
        nodes: [
          ...['a', 'b', 'c', 'd', 'e'].map((name) => node(name)),
          node('f', { card: card({ version: '2.0.0', policy: 'lucky' }) }),
          node('g', { card: null }),
          silent('h', 1, { card: card({ version: '3.0.0', policy: 'none' }) }),
        ],
      },
      [
        'warning node_silent: h has been silent for 1 ms',
        'warning mixed_versions: nodes differ in their version: 1.0.0 (a b c and 2 more), 2.0.0 (f), unknown (g)',
        'warning mixed_policies: nodes differ in their policy: lucky (f), oldest (a b c and 2 more)',
      ],
    ],
    [
      'a node that drains',
      { nodes: [node('a'), node('b', { condition: 'draining', card: card({ running: 3 }) })] },
      ['note draining: b drains: 3 requests still ran there when it last said'],
    ],
  ];
  for (const [title, what, expected] of rows) {
    it(`names ${title}`, () => {
      expect(found(what)).to.deep.equal(expected);
    });
  }

  it('says which nodes and shards it is about, and what mends it', () => {
    const [first] = diagnose(status({ nodes: [silent('gpu-3', 21_000), node('a')] }));
    expect(first).to.deep.include({ nodes: ['gpu-3'], shards: [] });
    expect(first!.step).to.equal(
      'look at process 7 on h1; if it is gone, start its successor: node gpu-3, takeover: true',
    );
    const [head] = diagnose(
      status({ tooLarge: [{ shard: 3, node: 'f', id: 'r', tokens: 9_000, behind: 0 }] }),
    );
    expect(head).to.deep.include({ nodes: ['f'], shards: [3] });
    const kinds = rows.flatMap(([, what]) => diagnose(status(what)));
    for (const { kind, step } of kinds) expect(step, kind).to.match(/^[a-z].{20,}[^.]$/);
  });

  it('has a row in docs/status.md for each kind', () => {
    const text = readFileSync(new URL('../../docs/status.md', import.meta.url), 'utf8');
    const source = readFileSync(new URL('../../src/inspect/status-report.ts', import.meta.url), 'utf8');
    const declared = /export type FindingKind =([^;]*);/.exec(source)![1]!;
    const kinds = [...declared.matchAll(/'(\w+)'/g)].map(([, kind]) => kind!);
    const shown = rows.flatMap(([, what]) => diagnose(status(what)).map(({ kind }) => kind));
    expect([...new Set(shown)].sort(), 'each is in the table above').to.deep.equal([...kinds].sort());
    const table = [...text.matchAll(/^\| `(\w+)` +\| (?:broken|warning|note)/gm)].map(([, kind]) => kind!);
    expect(table.sort()).to.deep.equal(kinds.sort());
  });
});
