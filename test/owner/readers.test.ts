import { expect } from 'chai';
import { hex } from '../../src/base/ticket.ts';
import { Attempts } from '../../src/owner/attempts.ts';
import { Backlog } from '../../src/owner/backlog.ts';
import type { Pending } from '../../src/owner/pending.ts';
import { Readers, type ReaderRules } from '../../src/owner/readers.ts';
import type { Result } from '../../src/owner/results.ts';
import type { Shard } from '../../src/protocol/shard.ts';
import { waitUntil } from '../support/server.ts';

const FENCE = hex(5, 14);
const LONG_MS = 3_600_000;

class World {
  readonly shard = { number: 0 } as unknown as Shard;
  readonly other = { number: 1 } as unknown as Shard;
  /** Numbers of shards whose runners are to be told something. */
  readonly tellings: number[] = [];
  readonly givenUp: string[] = [];
  readonly readers: Readers<string>;

  constructor(rules: Partial<ReaderRules> = {}) {
    const settled = {
      ...{ maxResults: 10_000, maxUnread: 4, maxUnreadBytes: 1_000, readTimeoutMs: LONG_MS, pollMs: LONG_MS },
      ...rules,
    };
    this.readers = new Readers(settled, {
      tell: ({ number }) => void this.tellings.push(number),
      giveUp: ({ id }, reason) => void this.givenUp.push(`${id}: ${reason}`),
    });
  }

  pending(id: string, shard = this.shard): Pending<string> {
    const backlog = new Backlog();
    const deliver = (_: Result<string>, bytes = 0): void => backlog.add(bytes);
    return {
      ...{ id, shard, promptTokens: 1, headStartMs: 0, onOwnerLoss: 'finish', putAt: 0 },
      ...{ deadlineAt: Infinity, attempts: new Attempts(), triesLeft: 1, triesSpent: 0, abandoned: false },
      ...{ ticket: `a|${id}`, sink: { deliver, backlog, fail: () => undefined } },
    };
  }

  chunks(pending: Pending<string>, count: number, bytes = 1, fence = FENCE): void {
    for (let i = 0; i < count; i += 1)
      this.readers.deliver(pending, { kind: 'chunk', output: '' }, bytes, fence);
  }

  read(pending: Pending<string>, count: number, bytes = 1): void {
    for (let i = 0; i < count; i += 1) pending.sink.backlog.take(bytes);
  }

  /** What the runners of the shard are told now. */
  get told(): string[] {
    return this.readers
      .halts(this.shard)
      .map(({ ticket, fence, ms }) => `${ticket} ${parseInt(fence, 16)} ${ms}`);
  }
}

describe('a reader that is behind', () => {
  it('has its runner wait at so many results, once, until half of them have been read', () => {
    const world = new World({ pollMs: 1_000 });
    const x = world.pending('x');
    world.chunks(x, 3);
    expect([world.tellings, world.told]).to.deep.equal([[], []]);
    world.chunks(x, 3);
    expect([world.tellings, world.told, world.told]).to.deep.equal([[0], ['a|x 5 2500'], []]);
    expect(world.readers.halts(world.other)).to.deep.equal([]);
    world.read(x, 3);
    expect([world.tellings, world.told], 'three are left').to.deep.equal([[0], []]);
    world.read(x, 1);
    expect([world.tellings, world.told, world.told]).to.deep.equal([[0, 0], ['a|x 5 0'], []]);
    world.read(x, 2);
    world.chunks(x, 4);
    expect([world.tellings, world.told], 'again').to.deep.equal([[0, 0, 0], ['a|x 5 2500']]);
  });

  it('at half of what ends the request, if that is less', () => {
    const world = new World({ maxResults: 200, maxUnread: 1_000, pollMs: 1_000 });
    const x = world.pending('x');
    world.chunks(x, 99);
    expect(world.told).to.deep.equal([]);
    world.chunks(x, 1);
    expect(world.told).to.deep.equal(['a|x 5 2500']);
  });

  it('is told of as it is now: behind again before its runner could be told to go on, or put again', () => {
    const world = new World({ pollMs: 1_000 });
    const x = world.pending('x');
    world.chunks(x, 4);
    world.read(x, 2);
    world.chunks(x, 2);
    expect([world.tellings, world.told, world.told]).to.deep.equal([[0, 0, 0], ['a|x 5 2500'], []]);
    x.ticket = 'a|x again';
    world.chunks(x, 1);
    expect(world.told).to.deep.equal(['a|x again 5 2500']);
  });

  it('or at so many bytes, until half of them have been', () => {
    const world = new World({ maxUnread: 1_000, pollMs: 1_000 });
    const x = world.pending('x');
    world.chunks(x, 3, 300);
    expect(world.told).to.deep.equal([]);
    world.chunks(x, 1, 300);
    expect(world.told).to.deep.equal(['a|x 5 2500']);
    world.read(x, 2, 300);
    expect(world.told, '600 bytes are left').to.deep.equal([]);
    world.read(x, 1, 300);
    expect(world.told).to.deep.equal(['a|x 5 0']);
  });

  it('has no room at all for so many: then its request ends, and another does not', () => {
    const world = new World({ maxResults: 1 });
    const [x, y] = [world.pending('x'), world.pending('y')];
    world.chunks(x, 128);
    expect(world.givenUp).to.deep.equal([]);
    world.chunks(x, 1);
    world.chunks(y, 1);
    expect(world.givenUp).to.deep.equal(['x: nobody has read 128 of its results (option maxResults)']);
    expect(y.sink.backlog.results).to.equal(1);
  });

  it('nor for so many bytes, but for one result of any size', () => {
    const world = new World();
    const [x, y] = [world.pending('x'), world.pending('y')];
    world.chunks(x, 1, 99_000);
    world.chunks(y, 1, 15_999);
    world.chunks(y, 1, 1);
    expect(world.givenUp).to.deep.equal([]);
    world.chunks(y, 1, 1);
    const reason = 'nobody has read 16 x 1000 bytes of its results (option maxUnreadBytes)';
    expect(world.givenUp).to.deep.equal([`y: ${reason}`]);
  });

  it('has its runner told again in time, and another runner at its first result', async () => {
    const world = new World({ pollMs: 20 });
    const x = world.pending('x');
    world.chunks(x, 4);
    expect(world.told).to.deep.equal(['a|x 5 50']);
    await waitUntil(() => world.told.length === 1, 'it is told again');
    world.chunks(x, 1, 1, hex(6, 14));
    expect(world.told).to.deep.equal(['a|x 6 50']);
    expect(world.tellings).to.deep.equal([0, 0]);
  });

  it('holds up nobody once its request has ended, or was put again', () => {
    const world = new World({ pollMs: 0 });
    const [x, y] = [world.pending('x'), world.pending('y')];
    world.chunks(x, 4);
    world.chunks(y, 4);
    x.abandoned = true;
    y.ticket = 'another';
    expect(world.told).to.deep.equal([]);
    [x.abandoned, y.ticket] = [false, 'a|y'];
    expect(world.told, 'they are forgotten').to.deep.equal([]);
  });

  it('and reads nothing for so long has its request end, not one that reads slowly', async () => {
    const world = new World({ maxUnread: 64, readTimeoutMs: 200, pollMs: 10 });
    const [x, y] = [world.pending('x'), world.pending('y')];
    world.chunks(x, 64);
    world.chunks(y, 64);
    const isOver = (): boolean => {
      world.read(y, 1);
      world.chunks(y, 1);
      return world.told.length >= 0 && world.givenUp.length > 0;
    };
    await waitUntil(isOver, 'one is given up');
    expect(new Set(world.givenUp)).to.deep.equal(
      new Set(['x: nobody has read any of its results for 200 ms (option readTimeoutMs)']),
    );
  });

  it('is told of with at most 128 others at once', () => {
    const world = new World({ pollMs: 1_000 });
    for (let i = 0; i < 130; i += 1) world.chunks(world.pending(`p${i}`), 4);
    expect([world.told.length, world.told.length, world.told.length]).to.deep.equal([128, 2, 0]);
  });
});
