// No script fails half-way (lua/README.md#scripts): what it refuses, it refuses before its first write. Each argument of each
// script is given what no client should send, and each list one ticket too many; the keyspace is compared.
import { isDeepStrictEqual } from 'node:util';
import { expect } from 'chai';
import { registryKeys } from '../../src/base/keys.ts';
import { NO_TICK } from '../../src/base/ticket.ts';
import { checkInvariants } from '../../src/inspect/invariants.ts';
import type { ShardSnapshot } from '../../src/inspect/snapshot.ts';
import { runScript, type Argument } from '../../src/redis/run-script.ts';
import { SCRIPTS, type ScriptName } from '../../src/redis/declarations.ts';
import { freshTopic } from '../support/server.ts';
import { cancel, claim, pushBack, put, putResults, refresh, reset, takeResults } from './calls.ts';
import { TestShard, connection, connections, type Call } from './support.ts';
import { START } from './view.ts';
import type { ShardScript } from './wire.ts';

/** lua/lib/bounds.lua */
const MOST = 1_000;
/** Beyond what `unpack` can give. */
const FAR = 9_000;

/** What an argument may be by mistake. Texts of 14, 12, 8 and 2 characters: right in width, but no number. */
const ODD: readonly string[] = [
  ...['', 'x', '-1', '0', '1.5', '1e300', '-1e300', 'nan', 'inf', '99999999999999999999'],
  ...['f'.repeat(14), 'z'.repeat(14), 'z'.repeat(12), 'z'.repeat(8), 'zz', 'y'.repeat(600)],
];
/** Only tests pass a clock. */
const NEVER_SENT = 'clock';

type Held = Awaited<ReturnType<TestShard['held']>>;

interface Populated {
  shard: TestShard;
  /** Claimed by b. */
  held: Held[];
}

/** Requests that wait, run, are over and were lost by a runner; results, an idle node; so every script has much to write. */
async function populated(): Promise<Populated> {
  const shard = new TestShard({ minLoad: 1 });
  await shard.run(claim(shard, 'idle', {}, { at: 0 }));
  await shard.run(put(shard, 'a', [{ id: 'lost', triesLeft: 1 }, 'again', 'x', 'y', 'z'], {}));
  await shard.run(put(shard, 'c', ['v', 'w', { id: 'late', deadline: 40_000 }]));
  shard.at = 100;
  await shard.run(claim(shard, 'd', { limit: 2 }));
  shard.at = 20_000;
  await shard.run(claim(shard, 'b', { limit: 3 }));
  const all = await shard.requests();
  const held = ['a|x', 'a|y', 'a|z'].map((field) => all.get(field)!);
  await shard.run(putResults(shard, 'b', [{ ...held[0]!, number: 1, kind: 'chunk', payload: 'c' }]));
  shard.at = 31_000;
  await shard.run(refresh(shard, 'a', { reapLimit: 0 }));
  shard.at = 45_000;
  return { shard, held };
}

/** A call of each script that has something to do. */
const CALLS: Readonly<Record<ShardScript, (populated: Populated) => Call>> = {
  put_requests: ({ shard }) => put(shard, 'a', ['new', { id: 'newer', headStart: 5 }, 'x'], { claimsIn: 10 }),
  claim: ({ shard }) => claim(shard, 'b'),
  push_back: ({ shard, held }) => pushBack(shard, 'b', held),
  put_results: ({ shard, held }) =>
    putResults(shard, 'b', [
      { ...held[0]!, number: 2, kind: 'chunk', payload: 'p' },
      { ...held[1]!, number: 1, kind: 'failed', dead: true, payload: 'q' },
    ]),
  take_results: ({ shard, held }) =>
    takeResults(shard, 'a', '', { halts: held.map((one) => ({ ...one, ms: 5 })) }),
  refresh: ({ shard, held }) => refresh(shard, 'b', { held, pending: [held[0]!.ticket] }),
  cancel: ({ shard, held }) => cancel(shard, 'a', [held[0]!.ticket, held[1]!.ticket]),
  reset: ({ shard, held }) => reset(shard, 'a', [held[0]!.ticket]),
};

/** As the last call left it. */
const snapshots = new WeakMap<TestShard, ShardSnapshot>();

/** Runs the call: it changes nothing and fails, or is answered, and the shard is sound. Answers the status, or the error. */
async function wholeOrNothing(shard: TestShard, call: Call, what: string): Promise<string> {
  const before = snapshots.get(shard) ?? (await shard.snapshot());
  const answer = await shard.run(call).then(
    ([status]) => String(status),
    (error: unknown) => error as Error,
  );
  const after = await shard.snapshot();
  snapshots.set(shard, after);
  if (answer instanceof Error) {
    const [now, then] = [after, before].map((one) => ({ ...one, now: 0 }));
    // chai tells how they differ, and takes its time
    if (!isDeepStrictEqual(now, then)) expect(now, `${what}: ${answer.message}`).to.deep.equal(then);
    return answer.message;
  }
  expect(checkInvariants(after), `${what}: ${answer}`).to.deep.equal([]);
  return answer;
}

const shardScripts = Object.keys(CALLS) as ShardScript[];

describe('a script that is called with what it cannot take', function () {
  this.timeout(120_000);
  connections();

  for (const script of shardScripts) {
    const { args, each = [] } = SCRIPTS[script] as { args: readonly string[]; each?: readonly string[] };
    it(`${script} does all of it or nothing, whichever argument is odd`, async () => {
      let refused = 0;
      for (const [index, name] of [...args, ...each].entries()) {
        if (name === NEVER_SENT) continue;
        const seeded = await populated();
        for (const odd of ODD) {
          const call = CALLS[script](seeded);
          const changed = call.args.map((argument, i): Argument => (i === index ? odd : argument));
          const shown = `${name} ${JSON.stringify(odd.slice(0, 20))}`;
          const answer = await wholeOrNothing(seeded.shard, { ...call, args: changed }, shown);
          if (!/^[A-Z]+$/.test(answer)) refused += 1;
        }
      }
      expect(refused, 'what it refused').to.be.above(20);
    });

    if (each.length > 0) {
      it(`${script} does all of it or nothing, however many it is given`, async () => {
        const answers: string[] = [];
        for (const count of [MOST - 1, MOST, MOST + 1, FAR]) {
          const seeded = await populated();
          const call = CALLS[script](seeded);
          const items = Array.from({ length: count }, (_, i) =>
            script === 'put_requests' || call.args[args.length] === undefined
              ? itemOf(script, i)
              : call.args.slice(args.length, args.length + each.length),
          );
          const fixed = call.args.slice(0, args.length);
          if (script === 'refresh') fixed[args.length - 1] = String(count);
          answers.push(
            await wholeOrNothing(seeded.shard, { ...call, args: [...fixed, ...items.flat()] }, `${count}`),
          );
        }
        expect(answers.map((answer) => /^[A-Z]+$/.test(answer))).to.deep.equal([true, true, false, false]);
      });

      it(`${script} refuses a part of an item`, async () => {
        const seeded = await populated();
        const call = CALLS[script](seeded);
        const answer = await wholeOrNothing(
          seeded.shard,
          { ...call, args: call.args.slice(0, -1) },
          'a part of an item',
        );
        if (each.length > 1 && script !== 'refresh') expect(answer).not.to.match(/^[A-Z]+$/);
      });
    }
  }

  function itemOf(script: ShardScript, i: number): Argument[] {
    const [, , , , ...items] = CALLS[script]({ shard: new TestShard(), held: [] }).args.slice(13);
    return [`many ${i}`, ...items.slice(1, 8)];
  }

  it('claim takes no more than its bound, whatever is asked for, and what it leaves is taken next', async () => {
    const shard = new TestShard();
    for (let i = 0; i < 50; i += 1) {
      const items = Array.from({ length: 100 }, (_, k) => ({ id: `${i}.${k}`, body: '' }));
      await shard.run(put(shard, 'a', items));
    }
    for (const limit of [MOST - 1, MOST, MOST + 1, FAR, 100_000]) {
      const before = await shard.view();
      expect(await wholeOrNothing(shard, claim(shard, 'a', { limit }), `limit ${limit}`)).to.equal('OK');
      const taken = before.waiting.length - (await shard.view()).waiting.length;
      expect(taken, `limit ${limit}`).to.equal(Math.min(limit, MOST));
    }
  });

  it('ends no more than its bound when all that waits is past its deadline', async () => {
    const shard = new TestShard();
    for (let i = 0; i < 30; i += 1) {
      const items = Array.from({ length: 100 }, (_, k) => ({ id: `${i}.${k}`, body: '', deadline: 10 }));
      await shard.run(put(shard, 'a', items));
    }
    shard.at = 100;
    expect(await wholeOrNothing(shard, claim(shard, 'b', { limit: 100_000 }), 'claim')).to.equal('IDLE');
    const last = await wholeOrNothing(shard, refresh(shard, 'b', { reapLimit: MOST }), 'refresh');
    expect(last).to.equal('OK');
    expect((await shard.snapshot()).out.length).to.be.within(2 * MOST, 3 * MOST);
  });

  it('a tick that is out of range widens no field, be it the caller’s or the shard’s', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x'], { seen: 'f'.repeat(14) }));
    await connection().hset(shard.key('shard'), 'tick', 'f'.repeat(14));
    await shard.run(put(shard, 'a', ['y']));
    await shard.run(claim(shard, 'b', {}, { at: 60, seen: 'f'.repeat(14) }));
    const { waiting, request, state } = await shard.snapshot();
    expect(waiting).to.deep.equal([]);
    for (const record of request.values()) expect(record).to.match(/^[0-9a-f]{14}\|.*\|[0-9a-f]{14}\|b$/);
    expect(state.get('tick')).to.have.length(14);
    expect(checkInvariants(await shard.snapshot())).to.deep.equal([]);
  });

  it('register does all of it or nothing, whichever argument is odd', async () => {
    const keys = registryKeys(freshTopic());
    const { args, each } = SCRIPTS.register;
    const call = [
      'take',
      'i',
      String(START),
      '30000',
      '900000',
      NO_TICK,
      NO_TICK,
      '1',
      'requests',
      '',
      '',
      '',
      '',
      'n',
      '0',
    ];
    const run = (given: readonly string[]): Promise<string> =>
      runScript(connection(), 'auto', 'register' satisfies ScriptName, keys, given).then(
        ([status]) => String(status),
        (error: unknown) => `failed: ${(error as Error).message}`,
      );
    const tables = async (): Promise<unknown> =>
      Promise.all(keys.flatMap((key) => [connection().hgetall(key), connection().exists(key)]));
    await run([...call.slice(0, -2), 'old', '0']);
    let refused = 0;
    for (const [index, name] of [...args, ...each].entries()) {
      if (name === NEVER_SENT) continue;
      for (const action of ['take', 'over', 'renew', 'leave']) {
        for (const odd of ODD) {
          const before = await tables();
          const given = call.map((argument, i) => (i === index ? odd : i === 0 ? action : argument));
          const answer = await run(given);
          if (!answer.startsWith('failed')) continue;
          refused += 1;
          expect(await tables(), `${name} ${odd}: ${answer}`).to.deep.equal(before);
        }
      }
    }
    expect(refused).to.be.above(100);
    expect(await run(call.slice(0, -1)), 'a name without its home').to.match(/^failed/);
    for (const entry of Object.values(await connection().hgetall(keys[0])))
      expect(entry).to.match(/^[^|]*\|[0-9a-f]{14}\|\d+\|/);
  });
});
