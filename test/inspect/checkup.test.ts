// What `doctor` makes of what a server says: a table of everything that may be wrong, with what mends it.
import { expect } from 'chai';
import { examineCluster, examineOpenSlots, examineSpread } from '../../src/inspect/checkup/cluster.ts';
import {
  examineClock,
  examineDisk,
  examineGrowth,
  examineReplicas,
} from '../../src/inspect/checkup/condition.ts';
import { examineScripts } from '../../src/inspect/checkup/scripts.ts';
import { examineSlow, nameOf, type SlowEntry } from '../../src/inspect/checkup/slow.ts';
import { examineStatus, examineTtl } from '../../src/inspect/checkup/topic.ts';
import type { NodeStatus, StatusReport } from '../../src/inspect/status-report.ts';
import { parseCard } from '../../src/protocol/card.ts';
import { allScripts } from '../../src/redis/run-script.ts';
import type { Finding } from '../../src/redis/suitability.ts';

const MIB = 2 ** 20;

/** `state what: found`, and what is wrong with it and mends it. */
function told({ what, found = '-', trouble }: Finding): string[] {
  if (!trouble) return [`ok ${what}: ${found}`];
  const { why, remedy, command, severity = 'warning' } = trouble;
  return [`${severity} ${what}: ${found}`, why, command === undefined ? remedy : `${remedy}: ${command}`];
}

const scripts = Object.values(allScripts());
const script = (name: string) => scripts.find((one) => one.name === name)!;
const allBut = (...names: string[]): number[] => scripts.map(({ name }) => (names.includes(name) ? 0 : 1));

const replication = (...replicas: string[]): string =>
  ['role:master', ...replicas.map((text, i) => `slave${i}:${text}`), 'master_repl_offset:20000000', ''].join(
    '\r\n',
  );
const disk = (rdb: string, aof: string): string =>
  `rdb_last_bgsave_status:${rdb}\r\naof_last_write_status:${aof}\r\n`;
const memory = (used: number, max: number, system = 0): string =>
  `used_memory:${used}\r\nmaxmemory:${max}\r\ntotal_system_memory:${system}\r\n`;
const facts = (info: string | undefined, settings: Record<string, string> = {}) => ({ info, settings });

const NOW_S = 1_000_000;
const slow = (ms: number, args: string[], agoS = 5): SlowEntry => [1, NOW_S - agoS, ms * 1000, args, '', ''];
const claim = ['EVALSHA', script('claim').sha1, '12'];

const node = (name: string, ttlMs: number, more: Partial<NodeStatus> = {}): NodeStatus => ({
  ...{ name, home: 0, epoch: '0', registeredUntil: 0, state: 'registered', engine: null, condition: 'front' },
  ...{
    waiting: 0,
    oldestMs: null,
    heardAt: 0,
    nextTryAt: null,
    card: { ...parseCard('{}')!, ttlMs },
    ...more,
  },
});

const ROWS: readonly [title: string, finding: Finding, expected: string[]][] = [
  [
    'a disk that takes everything',
    examineDisk(facts(disk('ok', 'ok'))),
    ['ok disk: last snapshot ok, last append ok'],
  ],
  ['a disk that may not be read', examineDisk(facts(undefined)), ['ok disk: -']],
  [
    'an append that failed',
    examineDisk(facts(disk('err', 'err'))),
    [
      'broken disk: last snapshot err, last append err',
      'the last write to the append-only file failed: Redis refuses writes (MISCONF)',
      'free space on its disk, or move its folder (CONFIG SET dir); it goes on by itself',
    ],
  ],
  [
    'a snapshot that failed, and that writes are refused for',
    examineDisk(facts(disk('err', 'ok'), { save: '60 1', 'stop-writes-on-bgsave-error': 'yes' })),
    [
      'broken disk: last snapshot err, last append ok',
      'the last snapshot failed: Redis refuses writes (MISCONF)',
      'free space on its disk, then make one: BGSAVE',
    ],
  ],
  [
    'a snapshot that failed, and that nobody minds',
    examineDisk(facts(disk('err', 'ok'), { save: '60 1', 'stop-writes-on-bgsave-error': 'no' })),
    [
      'warning disk: last snapshot err, last append ok',
      'the last snapshot failed',
      'free space on its disk, then make one: BGSAVE',
    ],
  ],
  ['no replicas', examineReplicas(facts(replication())), ['ok replicas: none']],
  [
    'replicas that follow',
    examineReplicas(
      facts(
        replication(
          'ip=10.0.0.2,port=6379,state=online,offset=19999000,lag=1',
          'ip=10.0.0.3,port=6379,state=online,offset=20000000,lag=0',
        ),
      ),
    ),
    ['ok replicas: 2 replicas, at most 1 s and 0.0 MiB behind'],
  ],
  [
    'a replica that lags, and one that comes',
    examineReplicas(
      facts(
        replication(
          'ip=10.0.0.2,port=6379,state=online,offset=1000000,lag=7',
          'ip=10.0.0.3,port=6379,state=wait_bgsave,offset=0,lag=0',
        ),
      ),
    ),
    [
      'warning replicas: 2 replicas, at most 7 s and 19.1 MiB behind',
      'replica 10.0.0.2:6379 is 7 s and 18.1 MiB behind, 10.0.0.3:6379 is in state wait_bgsave: a failover to it loses what it does not have',
      'look at its process and its network (redis-cli -h 10.0.0.2 -p 6379 INFO replication)',
    ],
  ],
  [
    'too few replicas for any write',
    examineReplicas(facts(`${replication()}min_slaves_good_slaves:0\r\n`, { 'min-replicas-to-write': '1' })),
    [
      'broken replicas: none',
      '0 of 1 replicas are well (min-replicas-to-write): Redis refuses writes (NOREPLICAS)',
      'mend the replicas, or want fewer: CONFIG SET min-replicas-to-write 0',
    ],
  ],
  [
    'memory that hardly grows',
    examineGrowth(memory(10 * MIB, 100 * MIB), memory(10.5 * MIB, 100 * MIB), 1_000),
    ['ok growth: +0.5 MiB/s over 1.0 s'],
  ],
  [
    'memory that shrinks',
    examineGrowth(memory(90 * MIB, 100 * MIB), memory(70 * MIB, 100 * MIB), 2_000),
    ['ok growth: -10.0 MiB/s over 2.0 s'],
  ],
  [
    'memory that will soon be full',
    examineGrowth(memory(80 * MIB, 100 * MIB), memory(90 * MIB, 100 * MIB), 2_000),
    [
      'warning growth: +5.0 MiB/s over 2.0 s',
      'at this rate the memory is full in 2.0 s (100.0 MiB)',
      'add engines, have less wait (maxWaiting), or raise maxmemory; sched-lua top shows what grows',
    ],
  ],
  [
    'memory without a limit, which the machine has',
    examineGrowth(memory(80 * MIB, 0, 1_000 * MIB), memory(90 * MIB, 0, 1_000 * MIB), 1_000),
    [
      'warning growth: +10.0 MiB/s over 1.0 s',
      'at this rate the memory is full in 91.0 s (1000.0 MiB)',
      'add engines, have less wait (maxWaiting), or raise maxmemory; sched-lua top shows what grows',
    ],
  ],
  [
    'a clock that is right',
    examineClock({ aheadMs: -12.3, roundMs: 4 }, [{ aheadMs: 900, roundMs: 1 }]),
    ["ok clock: -12 ms of this machine's"],
  ],
  [
    'a clock that is another than ours',
    examineClock({ aheadMs: 5_000, roundMs: 4 }, []),
    [
      "note clock: +5.0 s of this machine's",
      "its clock is not this machine's: leases and deadlines go by the server's, and their times look odd here",
      'keep the time of all machines by NTP: chronyc makestep',
    ],
  ],
  [
    'clocks of a Cluster that differ',
    examineClock({ aheadMs: 0, roundMs: 4 }, [{ aheadMs: -3_010, roundMs: 6 }]),
    [
      "warning clock: +0 ms of this machine's",
      "its clock is 3.0 s from another server's: requests of one shard look older than those of another",
      'keep the time of all machines by NTP: chronyc makestep',
    ],
  ],
  [
    'a server with all scripts',
    examineScripts(allBut(), { role: 'master', isUsed: true }),
    [`ok scripts: ${scripts.length} of ${scripts.length} scripts`],
  ],
  [
    'a server that lacks what is hardly used',
    examineScripts(allBut('reset', 'cancel'), { role: 'master', isUsed: true }),
    [
      `note scripts: ${scripts.length - 2} of ${scripts.length} scripts`,
      `${scripts
        .map(({ name }) => name)
        .filter((name) => ['reset', 'cancel'].includes(name))
        .join(' ')} missing: nodes with scripts: 'preloaded' need them, others load what they need`,
      'load them; as often as you like: sched-lua load',
    ],
  ],
  [
    'a server that lacks what nodes always need',
    examineScripts(
      scripts.map(() => 0),
      { role: 'master', isUsed: true },
    ),
    [
      `warning scripts: 0 of ${scripts.length} scripts`,
      "all scripts missing: nodes with scripts: 'preloaded' are refused; others load them at their next call",
      'load them; as often as you like: sched-lua load',
    ],
  ],
  [
    'no slow calls, and such as are history',
    examineSlow([slow(500, claim, 700)], NOW_S),
    ['ok slow calls: none in 10.0 min'],
  ],
  [
    'slow calls that hurt nobody',
    examineSlow([slow(12, claim), slow(20, claim), slow(11, ['hgetall', 'x'])], NOW_S),
    ['ok slow calls: script claim 2 times, at most 20 ms; HGETALL 1 time, at most 11 ms'],
  ],
  [
    'a script of ours that stalls all',
    examineSlow([slow(12, claim), slow(120, claim), slow(11, ['KEYS', '*'])], NOW_S),
    [
      'warning slow calls: script claim 2 times, at most 120 ms; KEYS 1 time, at most 11 ms',
      'script claim 2 times, at most 120 ms: everybody waits meanwhile',
      'give the server a core of its own, and the topic more shards (loadShards): SLOWLOG GET 128',
    ],
  ],
  [
    'a command of others that stalls all',
    examineSlow([slow(300, ['KEYS', '*'])], NOW_S),
    [
      'warning slow calls: KEYS 1 time, at most 300 ms',
      'KEYS 1 time, at most 300 ms: everybody waits meanwhile',
      'find who sends them; the log tells its address: SLOWLOG GET 128',
    ],
  ],
  [
    'a Cluster that is whole',
    examineCluster(
      'cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_slots_pfail:0\r\ncluster_slots_fail:0\r\n',
    ),
    ['ok cluster: ok, 16384 of 16384 slots assigned, 0 at masters that do not answer'],
  ],
  [
    'a Cluster with slots of no master',
    examineCluster(
      'cluster_state:fail\r\ncluster_slots_assigned:16380\r\ncluster_slots_pfail:0\r\ncluster_slots_fail:0\r\n',
    ),
    [
      'broken cluster: fail, 16380 of 16384 slots assigned, 0 at masters that do not answer',
      '4 slots of no master: what lies there is refused',
      'give them to one: redis-cli --cluster fix <host>:<port>',
    ],
  ],
  [
    'a Cluster whose master failed',
    examineCluster(
      'cluster_state:fail\r\ncluster_slots_assigned:16384\r\ncluster_slots_pfail:0\r\ncluster_slots_fail:5461\r\n',
    ),
    [
      'broken cluster: fail, 16384 of 16384 slots assigned, 5461 at masters that do not answer',
      'the Cluster is in state fail, 5461 slots are at masters that failed: what lies there is refused',
      'start the master, or promote a replica of it (on that replica): CLUSTER FAILOVER TAKEOVER',
    ],
  ],
  [
    'a master that is suspected',
    examineCluster(
      'cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_slots_pfail:5461\r\ncluster_slots_fail:0\r\n',
    ),
    [
      'warning cluster: ok, 16384 of 16384 slots assigned, 5461 at masters that do not answer',
      '5461 slots at a master that does not answer this one',
      'look at that master and the network; CLUSTER NODES names it (fail?)',
    ],
  ],
  [
    'slots that are half moved',
    examineOpenSlots(
      'ab12 h:1@2 master - 0 0 2 connected 5-9 [7->-cd34]\ncd34 h:3@4 myself,master - 0 0 1 connected 0-4 [93-<-ab12] [94->-ab12]\n',
    ),
    [
      'warning open slots: 93 comes, 94 leaves',
      'half moved: 93 comes, 94 leaves; calls that need keys of both sides are answered TRYAGAIN, and wait',
      'end the move, or take it back: redis-cli --cluster fix <host>:<port>',
    ],
  ],
  [
    'slots that are not',
    examineOpenSlots('cd34 h:3@4 myself,master - 0 0 1 connected 0-4\n'),
    ['ok open slots: none'],
  ],
  [
    'shards that are spread',
    examineSpread(new Map([['a:1', 5], ['b:1', 6], ['c:1', 5]])), // prettier-ignore
    ['ok shards per master: a:1 5, b:1 6, c:1 5'],
  ],
  ['few shards', examineSpread(new Map([['a:1', 3], ['b:1', 0]])), ['ok shards per master: a:1 3, b:1 0']], // prettier-ignore
  [
    'shards that are not spread',
    examineSpread(new Map([['a:1', 9], ['b:1', 1], ['c:1', 2]])), // prettier-ignore
    [
      'warning shards per master: a:1 9, b:1 1, c:1 2',
      '9 of 12 shards are at one of 3 masters: it is the first to be too busy',
      'spread the slots evenly, or give the topic more shards (loadShards): redis-cli --cluster rebalance <host>:<port>',
    ],
  ],
  [
    'nodes of one ttlMs',
    examineTtl([node('a', 900_000), node('b', 0), node('c', 60_000, { state: 'left' })]),
    ['ok ttlMs: 900000 ms (a)'],
  ],
  [
    'nodes of several',
    examineTtl([node('a', 900_000), node('b', 60_000), node('c', 900_000)]),
    [
      'warning ttlMs: 60000 ms (b), 900000 ms (a c)',
      'nodes differ in their ttlMs: 60000 ms (b), 900000 ms (a c); what a topic holds expires by the longest',
      'restart those that differ with one ttlMs',
    ],
  ],
];

describe('the checkup', () => {
  for (const [title, finding, expected] of ROWS)
    it(`finds ${title}`, () => {
      expect(told(finding)).to.deep.equal(expected);
    });

  it('knows a script by its SHA1, and by the beginning of its text, which SLOWLOG cuts', () => {
    for (const { name, sha1, text } of scripts) {
      expect(nameOf(['evalsha', sha1.toUpperCase(), '12'])).to.equal(`script ${name}`);
      expect(nameOf(['EVAL', text, '12'])).to.equal(`script ${name}`);
    }
    const cut = `${script('claim').text.slice(0, 100)}... (${script('claim').text.length - 100} more bytes)`;
    expect(nameOf(['EVAL', cut, '12'])).to.match(/^script (claim|of ours)$/);
    expect(nameOf(['EVAL', 'return 1', '0'])).to.equal('a script of others');
    expect(nameOf(['EVALSHA', '0'.repeat(40), '0'])).to.equal('a script of others');
    expect(nameOf(['get', 'x'])).to.equal('GET');
  });

  it('takes over what status finds, with its severities', () => {
    const report = { nodes: [node('a', 1)], shards: [], findings: [] } as unknown as StatusReport;
    expect(examineStatus(report).map(told)).to.deep.equal([
      ['ok topic: 1 node registered, 0 shards in use, nothing is wrong'],
    ]);
    const about = { nodes: ['a', 'b', 'c', 'd'], shards: [] };
    const findings: StatusReport['findings'] = [
      { kind: 'no_engine', severity: 'broken', text: 'none', step: 'start one', ...about },
      { kind: 'node_silent', severity: 'warning', text: 'it is', step: 'look', nodes: [], shards: [2] },
      { kind: 'draining', severity: 'note', text: 'it does', step: 'wait', nodes: ['a'], shards: [] },
    ];
    expect(examineStatus({ ...report, findings }).map(told)).to.deep.equal([
      ['broken no_engine: a b c and 1 more', 'none', 'start one'],
      ['warning node_silent: shard 2', 'it is', 'look'],
      ['note draining: a', 'it does', 'wait'],
    ]);
  });
});
