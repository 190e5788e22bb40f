// Each argument at the ends of its range: the script takes what is within, refuses what is beyond by a word of its own, and
// writes nothing then. What Redis or Lua would say of it comes too late, or not at all.
import { expect } from 'chai';
import { registryKeys } from '../../src/base/keys.ts';
import { NO_TICK } from '../../src/base/ticket.ts';
import { SCRIPTS } from '../../src/redis/declarations.ts';
import { runScript, type Argument } from '../../src/redis/run-script.ts';
import { freshTopic } from '../support/server.ts';
import { cancel, claim, put, putResults, refresh, reset, takeResults } from './calls.ts';
import { TestShard, connection, connections, type Call } from './support.ts';
import { START } from './view.ts';

/** 34 years, and a day, in ms. */
const MS = 2 ** 40;
const DAY = 86_400_000;
/** Tickets of one call. */
const ITEMS = 1_000;
const REFUSED = /out of its range|too many tickets, or a part of one|is no number|without number or kind/;

const hex = (digits: number): string => '0'.repeat(digits);

/** What an argument must not be, and what it may just be. */
type Range = [name: string, refused: (string | number)[], taken: (string | number)[]];

const CALLER: Range[] = [
  ['node', ['', 'n'.repeat(129)], ['n', 'n'.repeat(128)]],
  ['epoch', [hex(13), hex(15)], [`${hex(13)}1`]],
  ['seen', [hex(13), hex(15)], [hex(14)]],
  ['ttl', [0, MS + 1], [1, MS]],
  ['lease', [0, MS + 1], [1, MS]],
  ['min_load', [-1], [0, 0.5]],
  ['load_unit', ['', 'bytes'], ['requests', 'tokens']],
  ['steal_after', [-1, MS + 1], [0, MS]],
  ['lane_call', ['', hex(11), hex(13), 'z'.repeat(12)], [`${hex(11)}1`]],
];

const OWN: Partial<Record<keyof typeof SCRIPTS, Range[]>> = {
  claim: [
    ['limit', [-1, 1.5], [0, 1]],
    ...['alone_tokens', 'sum_tokens', 'total_tokens', 'max_bytes', 'entropy', 'patience'].map(
      (name): Range => [name, [-1], [0]],
    ),
    ['since', [hex(13), hex(15)], [hex(14)]],
    ['idle_for', [-1, MS + 1], [0, MS]],
    ['keep_for', [-1, MS + 1], [0, MS]],
    ['ask_on', [-1, 1.5], [0, 1]],
  ],
  put_requests: [
    ['max_waiting', [-1], [0]],
    ['dead', ['', 'l', 'none'], ['lost', 'failed', 'all']],
    ['dead_bytes', [-1], [0]],
    ['id', ['', 'i'.repeat(513)], ['i', 'i'.repeat(512)]],
    // the last would be a number beyond all
    ['tokens', ['f'.repeat(9), 'f'.repeat(7), 'z'.repeat(8), '-0000001'], [hex(8), 'f'.repeat(8)]],
    ['deadline', [2 ** 48], [MS]],
    ['head_start', [-DAY - 1, DAY + 1], [-DAY, DAY]],
    ['tries_left', ['', '1', '001', 'zz'], ['01']],
    ['tries_spent', ['', '1', '001', 'zz'], ['ff']],
    ['loss', ['', 'a', 'aborts'], ['finish', 'abort']],
  ],
  put_results: [
    ['max_results', [-1], [0]],
    ['max_bytes', [-1], [0]],
    ['terms', ['', hex(30), hex(32), `${hex(27)}zzzz`], [hex(31)]],
    ['groups', [-1, -3, 0.5, ITEMS + 1], [0]],
    ['number', [hex(7), hex(9)], [`${hex(7)}1`]],
    ['kind', ['', 'cancelled'], ['chunk', 'finished', 'failed']],
  ],
  take_results: [
    ['cursor', [hex(13), hex(15), hex(55), hex(57)], ['', hex(14), hex(56)]],
    ['limit', [-1], [0]],
    ['max_bytes', [-1], [0]],
  ],
  refresh: [
    ['reap_limit', [-1, ITEMS + 1], [0, ITEMS]],
    ['cursor', [hex(13), hex(15), hex(55), hex(57)], ['', hex(14), hex(56)]],
    ['alive', [0, MS + 1], [1, MS]],
    ['held', [-1, 0.5, ITEMS + 1], [0]],
  ],
  cancel: [['final', ['', 'finished'], ['cancelled', 'expired', 'failed']]],
  reset: [['slice', [0, 1.5, ITEMS + 1], [1, ITEMS]]],
};

const LOST = { ticket: `o|${hex(14)}|${hex(8)}|${hex(12)}|x`, fence: hex(14) };

/** A call of each script that is well, by a node that the shard does not know. */
const CALLS = {
  claim: (shard: TestShard): Call => claim(shard, 'n'),
  put_requests: (shard: TestShard): Call => put(shard, 'n', ['x']),
  put_results: (shard: TestShard): Call =>
    putResults(shard, 'n', [{ ...LOST, number: 1, kind: 'chunk', payload: '' }]),
  take_results: (shard: TestShard): Call => takeResults(shard, 'n'),
  refresh: (shard: TestShard): Call => refresh(shard, 'n'),
  cancel: (shard: TestShard): Call => cancel(shard, 'n', [LOST.ticket]),
  reset: (shard: TestShard): Call => reset(shard, 'n'),
};

function argumentsOf(script: keyof typeof SCRIPTS): readonly string[] {
  const { args, each = [] } = SCRIPTS[script] as { args: readonly string[]; each?: readonly string[] };
  return [...args, ...each];
}

function withArgument(args: readonly Argument[], index: number, value: string | number): Argument[] {
  return args.map((argument, i) => (i === index ? String(value) : argument));
}

async function messageOf(run: Promise<unknown>): Promise<string> {
  return run.then(
    () => 'taken',
    (error: unknown) => (error as Error).message,
  );
}

describe('the range of an argument', () => {
  connections();

  const run = async (change: (call: Call) => Argument[], script: keyof typeof CALLS): Promise<string> => {
    const shard = new TestShard();
    const call = CALLS[script](shard);
    const message = await messageOf(shard.run({ ...call, args: change(call) }));
    const { calls, state } = await shard.snapshot();
    expect(calls.size + state.size > 0, `${message}: it is written`).to.equal(message === 'taken');
    return message;
  };

  for (const script of Object.keys(CALLS) as (keyof typeof CALLS)[]) {
    const ranges = [...(script === 'claim' ? CALLER : []), ...OWN[script]!];
    for (const [name, refused, taken] of ranges) {
      it(`${name} of ${script}`, async () => {
        // the shard's number is named as a result's is
        const index = argumentsOf(script).lastIndexOf(name);
        expect(index).not.to.equal(-1);
        for (const value of refused)
          expect(await run(({ args }) => withArgument(args, index, value), script), String(value)).to.match(
            REFUSED,
          );
        for (const value of taken)
          expect(await run(({ args }) => withArgument(args, index, value), script), String(value)).to.equal(
            'taken',
          );
      });
    }
  }

  it('how many items put_requests is given', async () => {
    const given = (count: number): Promise<string> =>
      run(({ args }) => {
        const item = args.slice(-8);
        const items = Array.from({ length: Math.ceil(count) }, (_, i) => [`${i}`, ...item.slice(1)]);
        return [...args.slice(0, -8), ...items.flat().slice(0, count * 8)];
      }, 'put_requests');
    for (const count of [0, 7 / 8, 9 / 8, ITEMS + 1])
      expect(await given(count), `${count}`).to.match(REFUSED);
    for (const count of [1, ITEMS]) expect(await given(count), `${count}`).to.equal('taken');
  });

  it('how many tickets a call names', async () => {
    const named = (count: number): Promise<string> =>
      run(({ args }) => [...args.slice(0, -1), ...Array<string>(count).fill(LOST.ticket)], 'cancel');
    expect(await named(ITEMS)).to.equal('taken');
    expect(await named(ITEMS + 1)).to.match(REFUSED);
    const part = await run(({ args }) => args.slice(0, -1), 'put_results');
    expect(part, 'a part of a result').to.match(REFUSED);
  });

  it('how many groups put_results is given, where nothing else follows', async () => {
    const groups = SCRIPTS.put_results.args.length - 1;
    const given = (count: number, more: Argument[]): Promise<string> =>
      run(({ args }) => [...withArgument(args, groups, count).slice(0, groups + 1), ...more], 'put_results');
    // half a group would be one argument that is read by nothing
    for (const more of [[], ['']]) expect(await given(0.5, more)).to.match(REFUSED);
    const own = [`${hex(14)}0001n`, ''];
    expect(
      await given(
        ITEMS + 1,
        Array<string[]>(ITEMS + 1)
          .fill(own)
          .flat(),
      ),
    ).to.match(REFUSED);
    expect(await given(0, [])).to.equal('taken');
  });

  const REGISTER: Range[] = [
    ['instance', [''], ['i']],
    ['keep_alive', [-1, MS + 1], [0, MS]],
    ['ttl', [0, MS + 1], [1, MS]],
    ['above', [hex(13), hex(15), `1${'f'.repeat(13)}`], [hex(14), `1${'f'.repeat(12)}e`]],
    ['epoch', [hex(13), hex(15)], ['', hex(14)]],
    ['load_shards', [0, 65_537], [1, 65_536]],
    ['load_unit', ['', 'bytes'], ['requests', 'tokens']],
    ['engine', ['-1', '1.5', 'x', 2 ** 32], ['', '0', 2 ** 32 - 1]],
    ['breaker', ['b'.repeat(513)], ['', 'b'.repeat(512)]],
    ['card', ['c'.repeat(2049)], ['']],
  ];
  const WELL = [
    'take',
    'i',
    String(START),
    '30000',
    '900000',
    NO_TICK,
    '',
    '1',
    'requests',
    '',
    '',
    '',
    '',
    'n',
    '0',
  ];

  async function register(args: readonly Argument[]): Promise<string> {
    const keys = registryKeys(freshTopic());
    const message = await messageOf(runScript(connection(), 'auto', 'register', keys, args));
    expect(await connection().exists(...keys), message).to.equal(message === 'taken' ? keys.length : 0);
    return message;
  }

  for (const [name, refused, taken] of REGISTER) {
    it(`${name} of register`, async () => {
      const index = argumentsOf('register').indexOf(name);
      for (const value of refused)
        expect(await register(withArgument(WELL, index, value)), String(value)).to.match(REFUSED);
      for (const value of taken)
        expect(await register(withArgument(WELL, index, value)), String(value)).to.equal('taken');
    });
  }

  it('how many names register is given', async () => {
    for (const length of [13, 14]) expect(await register(WELL.slice(0, length))).to.match(REFUSED);
    expect(await register([...WELL, 'm'])).to.match(REFUSED);
    expect(await register([...WELL, 'm', '0'])).to.equal('taken');
  });
});
