// Whatever a user's code throws, at once or later, is told with words, costs its own request at most, and ends no loop.
import { expect } from 'chai';
import { EVENT_NAMES, SchedulerEvents, type SchedulerError, type SchedulerOptions } from '../../src/index.ts';
import { ODD_THROWS } from '../support/odd-throws.ts';
import { request, room, useFleet, type Node, type Prompt } from '../support/fleet.ts';
import { waitUntil } from '../support/server.ts';

const ODD = Object.entries(ODD_THROWS);

/** Throws whatever the request's id names; else does what it is given. */
function oddly<T>(id: string, otherwise: () => T): T {
  const odd = ODD_THROWS[id];
  if (odd) throw odd();
  return otherwise();
}

describe('a user’s code that throws odd things', () => {
  const fleet = useFleet();
  /** What nobody handled: mocha would blame whichever test runs then. */
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  before(() => process.on('unhandledRejection', note));
  after(() => process.off('unhandledRejection', note));
  afterEach(async () => {
    // it is told of in a turn of its own
    await new Promise((next) => setImmediate(next));
    expect(unhandled.splice(0).map((reason) => typeof reason)).to.deep.equal([]);
  });

  /** How each request ended, or was refused. */
  async function endings(node: Node): Promise<Record<string, { code: string; message: string }>> {
    const all = await Promise.all(
      [...ODD.map(([name]) => name), 'good'].map(async (id): Promise<[string, object]> => {
        try {
          return [id, { code: 'OK', message: String(await node.submit(request(id)).result()) }];
        } catch (error) {
          const { code, message } = error as SchedulerError;
          return [id, { code, message }];
        }
      }),
    );
    return Object.fromEntries(all) as Record<string, { code: string; message: string }>;
  }

  /** Every odd one ended with this code and some words, and the good one well. */
  async function allEnd(node: Node, code: string): Promise<void> {
    const { good, ...odd } = await endings(node);
    expect(good).to.deep.equal({ code: 'OK', message: 'done' });
    for (const [name, ended] of Object.entries(odd)) {
      expect(ended.code, name).to.equal(code);
      expect(ended.message, name).to.match(/\S/);
    }
  }

  const handlers = {
    'a function': ({ id }: { id: string }) => oddly(id, () => 'done'),
    'an async function': async ({ id }: { id: string }) => {
      await Promise.resolve();
      return oddly(id, () => 'done');
    },
    'a generator after a chunk': async function* ({ id }: { id: string }) {
      yield await Promise.resolve('chunk');
      return oddly(id, () => 'done');
    },
  };
  for (const [kind, handler] of Object.entries(handlers)) {
    it(`in a handler that is ${kind}: the request ends as failed, with words`, async () => {
      const node = await fleet.start('a');
      void node.run(handler, { budget: room() });
      await allEnd(node, 'FAILED');
    });
  }

  const idOf = (body: unknown): string => (body as Prompt).request_id;
  const asJson = (value: unknown): string => JSON.stringify(value);
  const parse = (bytes: Buffer): unknown => JSON.parse(String(bytes));
  const options: [what: string, code: string, options: SchedulerOptions<Prompt>][] = [
    [
      'codec.encode',
      'ENCODE',
      { codec: { encode: (body) => oddly(idOf(body), () => asJson(body)), decode: parse as never } },
    ],
    [
      'codec.decode',
      'FAILED',
      {
        codec: {
          encode: asJson,
          decode: (bytes) => oddly(idOf(parse(bytes)), () => parse(bytes) as Prompt),
        },
      },
    ],
    ['promptTokensOf', 'ENCODE', { promptTokensOf: (body) => oddly(idOf(body), () => 1) }],
    [
      'the answer of promptTokensOf',
      'ENCODE',
      {
        promptTokensOf: (body) =>
          (ODD_THROWS[idOf(body)]?.() ?? (idOf(body) === 'good' ? 1 : null)) as number,
      },
    ],
    ['idOf', 'BAD_ID', { idOf: (body) => oddly(idOf(body), () => idOf(body)) }],
    [
      'the answer of idOf',
      'BAD_ID',
      { idOf: (body) => (idOf(body) in ODD_THROWS ? ({ odd: ODD_THROWS[idOf(body)]!() } as never) : 'good') },
    ],
  ];
  for (const [what, code, given] of options) {
    it(`in ${what}: the request is told ${code}, with words`, async () => {
      const node = await fleet.start('a', given);
      void node.run(() => 'done', { budget: room() });
      await allEnd(node, code);
    });
  }

  for (const side of ['encode', 'decode'] as const) {
    it(`in outputCodec.${side}: the request ends as failed, with words`, async () => {
      const outputCodec = {
        encode: (value: unknown) =>
          side === 'encode' ? oddly(String(value), () => asJson(value)) : asJson(value),
        decode: (bytes: Buffer) => {
          const value = parse(bytes);
          return side === 'decode' ? oddly(String(value), () => value) : value;
        },
      };
      const node = await fleet.start('a', { outputCodec });
      void node.run(({ id }) => (id === 'good' ? 'done' : id), { budget: room() });
      await allEnd(node, 'FAILED');
    });
  }

  for (const later of [false, true]) {
    it(`in a listener of every event${later ? ', by a promise' : ''}: it is warned of, and nothing else happens`, async () => {
      const events = new SchedulerEvents().setMaxListeners(0);
      const node = await fleet.start('a', { events });
      for (const [, odd] of ODD)
        for (const name of EVENT_NAMES)
          events.on(name, (): never => {
            // a promise of another library is no Promise
            if (later)
              return { then: (_: unknown, failed: (error: unknown) => void) => failed(odd()) } as never;
            throw odd();
          });
      void node.run(() => 'done', { budget: room() });
      expect(await node.submit(request('x')).result()).to.equal('done');
      const warned = fleet.warnings.filter((warning) => /^a listener of the event/.test(warning));
      expect(warned.length).to.be.at.least(3 * ODD.length);
      for (const warning of warned) expect(warning).to.match(/threw: [^]*\S/);
    });

    it(`in onWarning${later ? ', by a promise' : ''}: the heartbeat goes on, and the process warns instead`, async () => {
      const said: string[] = [];
      const note = ({ name, message }: Error): void => {
        if (name === 'SchedLua') said.push(message);
      };
      process.on('warning', note);
      try {
        let armed = false;
        let told = 0;
        const onWarning = (): unknown => {
          if (!armed) return undefined;
          const [, odd] = ODD[(told += 1) % ODD.length]!;
          // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- what this is about
          if (later) return Promise.reject(odd());
          throw odd();
        };
        const options = { onWarning, leaseMs: 300 };
        await fleet.start('a', options);
        armed = true;
        await fleet.redis.set(fleet.key('due'), 'no table of this shard');
        await waitUntil(() => told >= 3, 'it has been warned several times');
        await fleet.redis.del(fleet.key('due'));
        const visited = async (): Promise<number> =>
          Number(await fleet.redis.hget(fleet.key('shard'), 'visited'));
        const before = await visited();
        for (let after = before; after < before + 300;) {
          const last = after;
          await waitUntil(async () => (after = await visited()) > last, 'the heartbeat goes on');
        }
        await waitUntil(() => said.length >= told, 'the process has warned of each');
        for (const message of said) expect(message).to.match(/\(onWarning threw: [^]*\S/);
      } finally {
        process.off('warning', note);
      }
    });
  }
});
