import { Readable } from 'node:stream';
import { ReadableStream } from 'node:stream/web';
import { expect } from 'chai';
import { ConfigError, bytesCodec, type Budget, type BudgetSource, type Result } from '../../src/index.ts';
import { sleep } from '../../src/base/clock.ts';
import {
  SHORT_LEASE,
  ended,
  finish,
  rejection,
  request,
  requests,
  room,
  serve,
  take,
  useFleet,
  type Claimed,
  type Node,
} from '../support/fleet.ts';
import { waitUntil } from '../support/server.ts';

const ROOM = room();

/** What a run warns of, and not what a server of the tests is like. */
const collect = (warnings: string[]) => (message: string) => {
  if (message.startsWith('run: ')) warnings.push(message);
};

describe('run', () => {
  const fleet = useFleet();
  let owner: Node;
  let runner: Node;

  beforeEach(async () => {
    owner = await fleet.start('owner');
    // no poll helps out: every wake-up must come
    runner = await fleet.start('runner', { pollMs: 60_000 });
  });

  const resultsOf = async (id: string): Promise<Result[]> => (await ended(owner, [id])).get(id)!;

  it('sends what a generator yields as chunks, and what it returns as the final', async () => {
    async function* handler({ id }: Claimed): AsyncGenerator<string, string> {
      yield `${id} 1`;
      await Promise.resolve();
      yield `${id} 2`;
      return `${id} all`;
    }
    void runner.run(handler, { budget: room() });
    await owner.putRequests([request('r')]);
    expect(await resultsOf('r')).to.deep.equal([
      { kind: 'chunk', output: 'r 1' },
      { kind: 'chunk', output: 'r 2' },
      { kind: 'finished', output: 'r all' },
    ]);
  });

  it('ends with a final without output when nothing is returned', async () => {
    void runner.run(
      async function* () {
        yield await Promise.resolve('part');
      },
      { budget: room() },
    );
    await owner.putRequests([request('r')]);
    expect(await resultsOf('r')).to.deep.equal([{ kind: 'chunk', output: 'part' }, { kind: 'finished' }]);
  });

  it('takes what a plain function returns, or its promise gives, as the final', async () => {
    void runner.run(({ id }) => (id === 'now' ? 1 : Promise.resolve(2)), { budget: room() });
    await owner.putRequests([request('now'), request('later')]);
    const results = await ended(owner, ['now', 'later']);
    expect(results.get('now')).to.deep.equal([{ kind: 'finished', output: 1 }]);
    expect(results.get('later')).to.deep.equal([{ kind: 'finished', output: 2 }]);
  });

  it('ends a request as failed when the handler throws, once and for all, and goes on with the others', async () => {
    const executed: string[] = [];
    const handler = ({ id }: Claimed): string => {
      executed.push(id);
      if (id === 'r1') throw new Error('out of memory');
      return id;
    };
    void runner.run(handler, { budget: room() });
    await owner.putRequests(requests('r', 3));
    const results = await ended(owner, ['r0', 'r1', 'r2']);
    expect(results.get('r1')).to.deep.equal([{ kind: 'failed', reason: 'out of memory' }]);
    expect(results.get('r2')).to.deep.equal([{ kind: 'finished', output: 'r2' }]);
    expect(executed.sort()).to.deep.equal(['r0', 'r1', 'r2']);
  });

  it('ends a request as failed when a generator throws after chunks', async () => {
    void runner.run(
      async function* () {
        yield await Promise.resolve(1);
        throw new Error('lost the GPU');
      },
      { budget: room() },
    );
    await owner.putRequests([request('r')]);
    expect(await resultsOf('r')).to.deep.equal([
      { kind: 'chunk', output: 1 },
      { kind: 'failed', reason: 'lost the GPU' },
    ]);
  });

  it('ends a request as failed when a result cannot be encoded or is too large', async () => {
    const small = await fleet.start('small', { maxResultBytes: 100 });
    const outputs: Record<string, () => unknown> = {
      large: () => 'x'.repeat(200),
      bigint: () => 1n,
      wordy: () => {
        throw new Error('ä'.repeat(200));
      },
    };
    void small.run(({ id }) => outputs[id]!(), { budget: room() });
    await owner.putRequests(Object.keys(outputs).map((id) => request(id)));
    const results = await ended(owner, Object.keys(outputs));
    const reasons = ['large', 'bigint', 'wordy'].map((id) => results.get(id)![0]!.reason);
    expect(reasons).to.deep.equal([
      'a result was over maxResultBytes; send it in chunks',
      'a result could not be encoded',
      'ä'.repeat(50),
    ]);
  });

  it('lets a handler give its request back: another node gets it, and no attempt is counted', async () => {
    let givenBack = 0;
    const giveBack = async (claimed: Claimed): Promise<void> => {
      await claimed.giveBack();
      givenBack += 1;
    };
    void runner.run(giveBack, { budget: room() });
    await owner.putRequests([request('r')]);
    await waitUntil(() => givenBack > 0, 'it was given back');
    await runner.close();
    const executed = serve(await fleet.start('other'));
    await ended(owner, ['r']);
    expect(executed).to.deep.equal([{ id: 'r', attempt: 1 }]);
  });

  describe('respects a budget', () => {
    let running = 0;
    let most = 0;

    beforeEach(() => (running = most = 0));

    /** Serves `count` requests of 32 tokens; counts what runs at once. */
    const serveAll = async (budget: BudgetSource, count: number): Promise<void> => {
      const handler = async ({ signal }: Claimed): Promise<void> => {
        most = Math.max(most, (running += 1));
        await sleep(15, signal);
        running -= 1;
      };
      void runner.run(handler, { budget });
      const list = requests('r', count, 32);
      await owner.putRequests(list);
      await ended(
        owner,
        list.map(({ request_id }) => request_id),
      );
    };

    it('given as an object, which is the whole engine: what runs is subtracted', async () => {
      await serveAll(room(3), 12);
      expect(most).to.equal(3);
    });

    it('in blocks as well as in requests', async () => {
      // each takes 2 blocks and 1 in reserve
      await serveAll(room(16, { availableBlocks: 8 }), 8);
      expect(most).to.equal(2);
    });

    it('given as a function, which is asked for the free room before each claim', async () => {
      let asked = 0;
      let open = false;
      const free = (): Budget => ((asked += 1), room(open ? 2 - running : 0));
      const served = serveAll(free, 4);
      await waitUntil(
        async () => asked > 0 && (await fleet.loads()).owner === 4,
        'it has been asked, and all wait',
      );
      open = true;
      await served;
      expect(most).to.equal(2);
    });

    it('given by an engine, which says itself when it has room again', async () => {
      let places = 2;
      let freed: () => void = () => undefined;
      const asked: AbortSignal[] = [];
      const engine = {
        room: () => room(places),
        whenRoom: (signal: AbortSignal) =>
          new Promise<void>((resolve) => {
            asked.push(signal);
            freed = resolve;
          }),
      };
      // an engine that goes on with a request after its handler has ended
      void runner.run(() => void (places -= 1), { budget: engine });
      await owner.putRequests(requests('r', 3));
      await waitUntil(() => owner.getResults().size > 0 && places === 0, 'it is full');
      await waitUntil(() => asked.some(({ aborted }) => !aborted), 'it is asked when it will have room');
      places = 1;
      freed();
      await waitUntil(() => places === 0, 'the last is claimed as soon as there is room');
    });

    it('and fills the room that a handler leaves at once, also for a request that did not fit before', async () => {
      const node = await fleet.start('slow-poll', { pollMs: 60_000, policy: 'none' });
      const budget = room(4, { availableBlocks: 10, reservedOutputBlocks: 0 });
      void node.run(({ signal, id }) => sleep(id === 'first' ? 100 : 1, signal), { budget });
      await node.putRequests([request('first', 96), request('second', 128)]);
      // long before the next poll
      await ended(node, ['first', 'second']);
    });

    it('and asks when an engine said that it would be ready, however often handlers yield meanwhile', async () => {
      let claimed = 0;
      async function* chatty({ signal }: Claimed): AsyncGenerator<number, void, undefined> {
        claimed += 1;
        while (!signal.aborted) {
          yield claimed;
          await sleep(1);
        }
      }
      // every call of its room puts it off, as an engine does that has just begun an iteration
      const engine = { room: () => room(16, { readyInMs: 50 }), whenRoom: () => Promise.resolve() };
      void runner.run(chatty, { budget: engine });
      await owner.putRequests([request('first')]);
      await waitUntil(() => claimed === 1, 'it runs');
      await owner.putRequests([request('second')]);
      await waitUntil(() => claimed === 2, 'the second is claimed');
    });

    it('and rejects a readyInMs that cannot change', async () => {
      const error = await rejection(runner.run(() => 1, { budget: room(16, { readyInMs: 5 }) }));
      expect(error).to.be.instanceOf(ConfigError).with.property('option', 'budget.readyInMs');
    });

    it('and rejects when the budget is bad', async () => {
      const bad = { ...room(), blockSize: 0 };
      for (const budget of [bad, () => bad]) {
        const error = await rejection(runner.run(() => 1, { budget }));
        expect(error).to.be.instanceOf(ConfigError).with.property('option', 'budget.blockSize');
      }
    });

    for (const [what, engine] of [
      ['a function', (room: () => Budget) => room],
      ['the room of an engine', (room: () => Budget) => ({ room, whenRoom: () => Promise.resolve() })],
      [
        'the wait for room of an engine',
        (room: () => Budget) => {
          let full = true;
          const whenRoom = async (): Promise<void> => void (await Promise.resolve(), room(), (full = false));
          return { room: () => (full ? { ...ROOM, batch: 0 } : ROOM), whenRoom };
        },
      ],
    ] as const)
      it(`and goes on, warned once, when ${what} throws for a while`, async () => {
        const warnings: string[] = [];
        const node = await fleet.start('warned', { onWarning: collect(warnings) });
        let thrown = 0;
        const run = node.run(({ id }) => id, {
          budget: engine(() => {
            if ((thrown += 1) <= 3) throw new RangeError('the engine is gone');
            return ROOM;
          }),
        });
        await node.putRequests([request('r')]);
        await ended(node, ['r']);
        expect(thrown).to.be.greaterThan(3);
        expect(warnings).to.deep.equal([
          "run: the engine's budget cannot be had, it is asked again: the engine is gone",
        ]);
        await node.close();
        await run;
      });

    it('and goes on when what an engine said well before cannot be understood for a while', async () => {
      const warnings: string[] = [];
      const node = await fleet.start('warned', { pollMs: 50, onWarning: collect(warnings) });
      let bad = false;
      void node.run(({ id }) => id, { budget: () => (bad ? { ...ROOM, availableBlocks: NaN } : ROOM) });
      await node.putRequests([request('before')]);
      await ended(node, ['before']);
      bad = true;
      await waitUntil(() => warnings.length > 0, 'it is warned of');
      bad = false;
      await node.putRequests([request('after')]);
      await ended(node, ['after']);
      expect(warnings).to.have.length(1);
      expect(warnings[0]).to.match(/^run: .* budget\.availableBlocks is NaN; /);
    });
  });

  describe('takes chunks from', () => {
    const PARTS = ['one', 'two'];
    const CHUNKS = PARTS.map((output) => ({ kind: 'chunk', output }));

    /** An iterable that is no generator, and cannot be ended. */
    const plain = (): AsyncIterable<string> => ({
      [Symbol.asyncIterator]: () => {
        const parts = PARTS.values();
        return { next: () => Promise.resolve(parts.next()) };
      },
    });

    for (const [what, answer] of [
      ['an async iterable', plain],
      ['a web ReadableStream', () => ReadableStream.from(PARTS)],
      ['a stream of Node.js', () => Readable.from(PARTS)],
    ] as const)
      for (const [how, handler] of [
        ['', answer],
        [' that a promise gives', () => Promise.resolve(answer())],
      ] as const)
        it(`${what}${how}`, async () => {
          void runner.run(handler as () => AsyncIterable<string>, { budget: room() });
          await owner.putRequests([request('r')]);
          expect(await resultsOf('r')).to.deep.equal([...CHUNKS, { kind: 'finished' }]);
        });

    it('a promised generator, whose return value is the final', async () => {
      async function* parts(): AsyncGenerator<string, string> {
        yield* await Promise.resolve(PARTS);
        return 'all';
      }
      void runner.run(() => Promise.resolve(parts()), { budget: room() });
      await owner.putRequests([request('r')]);
      expect(await resultsOf('r')).to.deep.equal([...CHUNKS, { kind: 'finished', output: 'all' }]);
    });

    for (const [what, silent] of [
      ['a web ReadableStream', (over: () => void) => new ReadableStream<string>({ cancel: over })],
      [
        'a stream of Node.js',
        (over: () => void) => new Readable({ read: () => undefined, destroy: () => over() }),
      ],
    ] as const)
      it(`${what} until the request is taken away, which ends it`, async () => {
        let [started, over] = [false, false];
        const handler = () => ((started = true), silent(() => (over = true)));
        void runner.run(handler, { budget: room(1) });
        const submission = owner.submit(request('r'));
        await waitUntil(() => started, 'it runs');
        await submission.cancel();
        await waitUntil(() => over, 'the stream is over');
      });

    it('a stream that fails after some, and the request fails', async () => {
      const failing = Readable.from(
        (async function* () {
          yield await Promise.resolve('one');
          throw new Error('the engine hung up');
        })(),
      );
      void runner.run(() => failing, { budget: room() });
      await owner.putRequests([request('r')]);
      expect(await resultsOf('r')).to.deep.equal([
        { kind: 'chunk', output: 'one' },
        { kind: 'failed', reason: 'the engine hung up' },
      ]);
    });
  });

  it('rejects a handler that is no function', async () => {
    const run = runner.run(undefined as unknown as () => void, { budget: room() });
    expect(await rejection(run))
      .to.be.instanceOf(ConfigError)
      .with.property('option', 'handler');
  });

  describe('when the request is taken away', () => {
    it('fires the signal, and drops what the handler yields afterwards', async () => {
      let [cleaned, signal] = [false, undefined as AbortSignal | undefined];
      async function* handler(claimed: Claimed): AsyncGenerator<string, string> {
        ({ signal } = claimed);
        try {
          yield 'before';
          await sleep(60_000, signal);
          yield 'after';
          return 'all';
        } finally {
          cleaned = true;
        }
      }
      void runner.run(handler, { budget: room() });
      const submission = owner.submit(request('r'));
      const kinds: unknown[] = [];
      for await (const result of submission) {
        kinds.push(result.output ?? result.kind);
        if (result.kind === 'chunk') await submission.cancel();
      }
      await waitUntil(() => cleaned, 'the generator has been ended');
      expect(signal!.aborted).to.equal(true);
      expect(kinds).to.deep.equal(['before', 'cancelled']);
    });

    it('has room for another one at once', async () => {
      const submission = owner.submit(request('first'));
      const executed: string[] = [];
      void runner.run((claimed) => (executed.push(claimed.id), sleep(60_000, claimed.signal)), {
        budget: room(1),
      });
      await waitUntil(() => executed.length === 1, 'it runs');
      owner.submit(request('second'));
      await submission.cancel();
      await waitUntil(() => executed.length === 2, 'the next one runs');
    });
  });

  describe('when the scheduler closes', () => {
    let ran = 0;
    let aborted = 0;

    /** Resolves when a request of this many ms runs. */
    const running = async (ms: number): Promise<{ run: Promise<void> }> => {
      [ran, aborted] = [0, 0];
      const handler = async ({ signal }: Claimed): Promise<void> => {
        ran += 1;
        await sleep(ms, signal);
        if (signal.aborted) aborted += 1;
      };
      const run = runner.run(handler, { budget: room() });
      await owner.putRequests([request('r')]);
      await waitUntil(() => ran === 1, 'it runs');
      return { run };
    };

    it('resolves once the handlers have ended, which have drainMs for it', async () => {
      const { run } = await running(200);
      await runner.close({ drainMs: 10_000 });
      await run;
      expect(await resultsOf('r')).to.deep.equal([{ kind: 'finished' }]);
      expect([ran, aborted]).to.deep.equal([1, 0]);
    });

    it('has half a minute for it by default, says for what it waits, and waits no longer than a second call says', async () => {
      const told: unknown[] = [];
      runner.events.on('draining', ({ ids, drainMs }) => told.push({ ids, drainMs }));
      const { run } = await running(60_000);
      const closed = runner.close();
      expect(told).to.deep.equal([{ ids: ['r'], drainMs: 30_000 }]);
      // one that is longer changes nothing
      const again = runner.close({ drainMs: 60_000 });
      expect(aborted).to.equal(0);
      await runner.close({ drainMs: 0 });
      await Promise.all([closed, again, run]);
      expect([ran, aborted, told.length]).to.deep.equal([1, 1, 1]);
    });

    it('aborts the others after drainMs, and gives their requests back', async () => {
      const { run } = await running(60_000);
      await runner.close({ drainMs: 50 });
      await run;
      expect([ran, aborted]).to.deep.equal([1, 1]);
      const executed = serve(await fleet.start('other'));
      await ended(owner, ['r']);
      expect(executed).to.deep.equal([{ id: 'r', attempt: 1 }]);
    });
  });

  it('keeps what runs longer than its lease', async () => {
    const node = await fleet.start('short-lease', SHORT_LEASE);
    void node.run(async ({ signal }) => (await sleep(1_200, signal), signal.aborted), { budget: room() });
    await owner.putRequests([request('r')]);
    expect(await resultsOf('r')).to.deep.equal([{ kind: 'finished', output: false }]);
  });

  it('serves once at a time: a second call rejects, and the first goes on', async () => {
    const first = runner.run(({ id }) => id, { budget: room() });
    const second = await rejection(runner.run(() => 'other', { budget: room() }));
    expect(second).to.include({ code: 'CONFIG', operation: 'run' });
    await owner.putRequests([request('r')]);
    expect(await resultsOf('r')).to.deep.equal([{ kind: 'finished', output: 'r' }]);
    await runner.close();
    await first;
  });

  it('tells an output of zero bytes, and a final without an output, which are not the same', async () => {
    const bytes = { outputCodec: bytesCodec, idOf: (text: unknown) => String(text), promptTokensOf: () => 1 };
    const [front, engine] = [await fleet.start('front', bytes), await fleet.start('engine', bytes)];
    async function* handler({ id }: Claimed): AsyncGenerator<Uint8Array, Uint8Array | undefined> {
      yield await Promise.resolve(Buffer.alloc(0));
      return id.endsWith('empty') ? Buffer.alloc(0) : undefined;
    }
    void engine.run(handler as never, { budget: room() });
    for (const owner of [front, engine]) {
      const ids = [`${owner.node} empty`, `${owner.node} none`];
      await owner.putRequests(ids);
      const results = await ended(owner as never, ids);
      for (const id of ids) {
        const [chunk, final] = results.get(id)!;
        expect([chunk!.kind, chunk!.output]).to.deep.equal(['chunk', Buffer.alloc(0)]);
        expect(final!.kind).to.equal('finished');
        expect('output' in final!, id).to.equal(id.endsWith('empty'));
      }
    }
  });

  it('fails a request whose handler yields undefined: a chunk has an output', async () => {
    async function* handler(): AsyncGenerator<undefined> {
      const nothing = await Promise.resolve([] as undefined[]);
      yield nothing[0];
    }
    void runner.run(handler as never, { budget: room() });
    await owner.putRequests([request('r')]);
    expect((await resultsOf('r')).map(({ kind, reason }) => [kind, reason])).to.deep.equal([
      ['failed', 'a result could not be encoded'],
    ]);
  });
});

describe('a request seen through', () => {
  const fleet = useFleet();

  it('says where and how often it ran, how long it waited and how long it ran, also at its own node', async () => {
    const [owner, runner] = [await fleet.start('owner'), await fleet.start('runner')];
    for (const node of [runner, owner]) {
      const id = `r of ${node.node}`;
      const submission = owner.submit(request(id));
      const placed = async (): Promise<boolean> => (await fleet.snapshot()).waiting.length === 1;
      await waitUntil(placed, 'it waits');
      await sleep(30);
      const [claimed] = await take(node, 1);
      expect(claimed).to.include({ attempt: 1, stolen: node === runner });
      expect(claimed!.queuedMs).to.be.at.least(29);
      await sleep(20);
      await finish(node, [claimed!]);
      expect(await submission.result()).to.equal(id);
      const final = submission.final!;
      expect(final).to.include({ kind: 'finished', node: node.node, attempt: 1 });
      expect(final.queuedMs).to.equal(claimed!.queuedMs);
      expect(final.ranMs).to.be.at.least(19);
    }
  });

  it('says so also if it was cancelled while it waited, or was given back, or lost its runner', async () => {
    const owner = await fleet.start('owner');
    const waiting = owner.submit(request('waiting'));
    await owner.putRequests([request('other')]);
    await waiting.cancel();
    const results = [];
    for await (const result of waiting) results.push(result);
    expect(results).to.have.length(1);
    expect(results[0]).to.include({ kind: 'cancelled', attempt: 0 });
    expect(results[0]).not.to.have.any.keys('node', 'ranMs');
    expect(waiting.final).to.equal(results[0]);
    const runner = await fleet.start('runner', SHORT_LEASE);
    const [claimed] = await take(runner, 1);
    await claimed!.giveBack();
    const [again] = await take(runner, 1);
    expect(again).to.include({ id: 'other', attempt: 1 });
    await runner.close();
  });
});
