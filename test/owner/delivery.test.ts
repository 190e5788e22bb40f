import { expect } from 'chai';
import { jsonCodec } from '../../src/base/codec.ts';
import { hex, joinTicket, NO_TICK, type Ticket } from '../../src/base/ticket.ts';
import { Backlog } from '../../src/owner/backlog.ts';
import { Attempts } from '../../src/owner/attempts.ts';
import { Delivery, type DeliveryOptions } from '../../src/owner/delivery.ts';
import { PendingTable, type Pending } from '../../src/owner/pending.ts';
import type { Result, Sink } from '../../src/owner/results.ts';
import type { Shard } from '../../src/protocol/shard.ts';
import type { Delivered } from '../../src/protocol/wire.ts';

const REMEMBER_MS = 600_000;
/** When the name was taken, in µs. */
const TAKEN_AT = 10_000;

function ticketOf(id: string, order = 1): Ticket {
  return joinTicket('a', `${hex(order, 14)}|${hex(7, 8)}|${hex(1, 12)}`, id);
}

function tick(n: number): string {
  return n === 0 ? NO_TICK : hex(n, 14);
}

function mail(
  ticket: Ticket,
  fence: number,
  number: number,
  kind: Delivered['kind'] = 'chunk',
  payload = '',
): Delivered {
  const bare = kind === 'finished' && payload === '';
  const story = { triesSpent: 0, arrival: tick(0), claimedAt: tick(fence), runner: 'r' };
  return {
    ...{ tick: tick(1), ticket, fence: tick(fence), number, kind, bare, payload },
    ...(kind === 'chunk' ? {} : { story }),
  };
}

/** Told, per request id: kinds, and outputs or reasons. */
type Told = Record<string, string[]>;

class World {
  readonly shard = { number: 0, ownSince: hex(TAKEN_AT, 14) } as unknown as Shard;
  readonly otherShard = { number: 1 } as unknown as Shard;
  readonly told: Told = {};
  /** What the owner was asked to do. */
  readonly asked: string[] = [];
  readonly ended: string[] = [];
  readonly backlog = new Backlog();
  /** Bytes and fence of each chunk that was given to its reader. */
  readonly chunks: [bytes: number, fence: string][] = [];
  readonly pendings = new PendingTable<unknown>(
    ({ id }, { kind, node = '' }) => this.ended.push(`${id} ${kind} ${node}`),
    REMEMBER_MS,
  );
  readonly delivery: Delivery<unknown>;

  constructor(options: Partial<DeliveryOptions<unknown>> = {}) {
    this.delivery = new Delivery(this.pendings, {
      outputCodec: {
        ...jsonCodec(),
        decode: (bytes): unknown => (bytes.length === 0 ? undefined : JSON.parse(String(bytes))),
      },
      onRestart: 'restart',
      readers: {
        deliver: ({ sink }, chunk, bytes, fence) => {
          this.chunks.push([bytes, fence]);
          sink.deliver(chunk);
        },
      },
      ttlMs: REMEMBER_MS,
      failEarly: ({ id }, reason) => this.asked.push(`fail ${id}: ${reason}`),
      onLost: ({ id }) => this.asked.push(`put again ${id}`),
      onGap: ({ id }) => this.asked.push(`mend ${id}`),
      ...options,
    });
  }

  sink(id: string): Sink<unknown> {
    const told = (this.told[id] ??= []);
    return {
      deliver: ({ kind, output, reason }: Result) => {
        told.push(
          [kind, output as string | undefined, reason].filter((part) => part !== undefined).join(' '),
        );
      },
      backlog: this.backlog,
      fail: () => undefined,
    };
  }

  /** A request that is pending under this ticket. */
  pending(id: string, ticket = ticketOf(id)): Pending<unknown> {
    const rest = {
      promptTokens: 7,
      headStartMs: 0,
      onOwnerLoss: 'finish' as const,
      putAt: 0,
      deadlineAt: Infinity,
    };
    const tries = { triesLeft: 3, triesSpent: 0, abandoned: false };
    const sink = this.sink(id);
    const pending = { id, shard: this.shard, ...rest, ...tries, attempts: new Attempts(), sink };
    this.pendings.add(pending);
    this.pendings.setTicket(pending, ticket);
    return pending;
  }

  deliver(...mails: Delivered[]): void {
    for (const one of mails) this.delivery.deliver(this.shard, one);
  }
}

describe('delivery', () => {
  const x = ticketOf('x');

  it('tells results in their order, each once, and the final last', () => {
    const { told, ended, pendings } = run((world) => {
      world.pending('x');
      const chunk = mail(x, 5, 1, 'chunk', '"a"');
      world.deliver(chunk, chunk, mail(x, 5, 2), mail(x, 5, 3, 'finished', '"b"'), mail(x, 5, 4));
    });
    expect(told).to.deep.equal({ x: ['chunk a', 'chunk', 'finished b'] });
    expect(ended).to.deep.equal(['x finished r']);
    expect(pendings.withId('x')).to.equal(undefined);
  });

  it('tells the reason of an end, if there is one, as text', () => {
    const { told } = run((world) => {
      world.pending('x');
      world.pending('y');
      world.deliver(mail(x, 5, 1, 'failed', 'no luck'), mail(ticketOf('y'), 0, 0, 'expired'));
    });
    expect(told).to.deep.equal({ x: ['failed no luck'], y: ['expired'] });
  });

  it('tells why it ended early, and that a runner gave no reason', () => {
    const { told } = run((world) => {
      for (const id of ['x', 'y', 'z']) world.pending(id);
      world.deliver(
        mail(x, 5, 1, 'failed'),
        mail(ticketOf('y'), 0, 0, 'expired', 'too late'),
        mail(ticketOf('z'), 0, 0, 'cancelled', 'reset'),
      );
    });
    expect(told).to.deep.equal({
      ...{ x: ['failed its runner gave no reason'], y: ['expired too late'], z: ['cancelled reset'] },
    });
  });

  it('knows nobody who ran what has no story', () => {
    const { told, ended } = run((world) => {
      world.pending('x');
      const { story, ...final } = mail(x, 5, 1, 'finished');
      expect(story).not.to.equal(undefined);
      world.deliver(final);
    });
    expect([told, ended]).to.deep.equal([{ x: ['finished'] }, ['x finished ']]);
  });

  it('says whether a result is the next one of a pending request', () => {
    run((world) => {
      world.pending('x');
      const isNext = (ticket: Ticket, number: number): boolean =>
        world.delivery.isNext(mail(ticket, 5, number));
      expect([isNext(x, 1), isNext(x, 2), isNext(ticketOf('y'), 1)]).to.deep.equal([true, false, false]);
    });
  });

  it('tells of a restart before the results of the later attempt', () => {
    const { told, asked } = run((world) => {
      world.pending('x');
      world.deliver(mail(x, 5, 1), mail(x, 6, 1, 'finished'));
    });
    expect([told, asked]).to.deep.equal([{ x: ['chunk', 'restart', 'finished'] }, []]);
  });

  it('has the request failed instead, and tells nothing of the later attempt, with onRestart: fail', () => {
    const { told, asked } = run(
      (world) => {
        world.pending('x');
        world.deliver(mail(x, 5, 1), mail(x, 6, 1, 'finished'));
      },
      { onRestart: 'fail' },
    );
    expect(told).to.deep.equal({ x: ['chunk'] });
    expect(asked.join()).to.match(/^fail x: its runner was lost/);
  });

  it('has the request mended where numbers are missing, and tells nothing', () => {
    const { told, asked } = run((world) => {
      world.pending('x');
      world.deliver(mail(x, 5, 2), mail(x, 5, 3, 'finished'));
    });
    expect([told, asked]).to.deep.equal([{ x: [] }, ['mend x', 'mend x']]);
  });

  it('has the request put again that the shard says it lost', () => {
    const { told, asked } = run((world) => {
      world.pending('x');
      world.deliver(mail(x, 0, 0, 'lost'));
    });
    expect([told, asked]).to.deep.equal([{ x: [] }, ['put again x']]);
  });

  it('has the request failed whose result cannot be decoded, and tells nothing', () => {
    const { told, asked } = run((world) => {
      world.pending('x');
      world.deliver(mail(x, 5, 1, 'finished', '{'));
    });
    expect(told).to.deep.equal({ x: [] });
    expect(asked.join()).to.match(/^fail x: a result could not be decoded: /);
  });

  it('says of each chunk how large it is, and of which claim', () => {
    const world = new World();
    world.pending('x');
    world.deliver(mail(x, 5, 1, 'chunk', '"é"'), mail(x, 6, 1), mail(x, 6, 2, 'finished'));
    expect(world.chunks).to.deep.equal([
      [4, hex(5, 14)],
      [0, hex(6, 14)],
    ]);
  });

  describe('of a request that is not pending', () => {
    it('tells nothing where there is no predecessor', () => {
      expect(run((world) => world.deliver(mail(x, 5, 1), mail(x, 5, 2, 'finished'))).told).to.deep.equal({});
    });

    it('waits for the answers to all puts of its shard: it may be one of them', async () => {
      const world = new World();
      const answers: (() => void)[] = [];
      const put = (): Promise<void> =>
        world.delivery.during(world.shard, async () => {
          await new Promise<void>((resolve) => answers.push(resolve));
        });
      const puts = [put(), put()];
      world.deliver(mail(x, 5, 1, 'chunk', '"early"'));
      answers[0]!();
      await puts[0];
      world.pending('x');
      world.delivery.deliver(world.otherShard, mail(ticketOf('z'), 5, 1));
      world.deliver(mail(ticketOf('y'), 5, 1));
      world.pending('y');
      answers[1]!();
      await puts[1];
      world.deliver(mail(x, 5, 2, 'finished'));
      expect(world.told).to.deep.equal({ x: ['chunk early', 'finished'], y: ['chunk'] });
    });

    it('waits for them in whatever order they are answered', async () => {
      const world = new World();
      const answers: (() => void)[] = [];
      const [first, second] = [0, 1].map(() =>
        world.delivery.during(world.shard, () => new Promise<void>((resolve) => answers.push(resolve))),
      );
      answers[1]!();
      await second;
      world.deliver(mail(x, 5, 1));
      world.pending('x');
      answers[0]!();
      await first;
      expect(world.told).to.deep.equal({ x: ['chunk'] });
    });

    it('is not held once the puts are answered, refused or not', async () => {
      const world = new World();
      await world.delivery
        .during(world.shard, () => Promise.reject(new Error('refused')))
        .catch(() => undefined);
      world.deliver(mail(x, 5, 1));
      world.pending('x');
      await world.delivery.during(world.shard, () => Promise.resolve());
      expect(world.told).to.deep.equal({ x: [] });
    });

    it('is held as text or as bytes', async () => {
      const world = new World();
      await world.delivery.during(world.shard, async () => {
        world.deliver(mail(x, 5, 1, 'chunk', '"text"'));
        world.deliver({ ...mail(x, 5, 2), payload: Buffer.from('"bytes"') });
        world.pending('x');
        await Promise.resolve();
      });
      expect(world.told).to.deep.equal({ x: ['chunk text', 'chunk bytes'] });
    });
  });

  describe("of a predecessor's request", () => {
    const successor = (): World => {
      const world: World = new World({ predecessor: (id): Sink<unknown> => world.sink(id) });
      return world;
    };

    it('goes where its results go, from whatever number on; then it is pending here', () => {
      const world = successor();
      world.deliver(mail(x, 5, 4), mail(x, 5, 5));
      const pending = world.pendings.withTicket(x)!;
      expect(pending).to.include({ id: 'x', promptTokens: 7, triesLeft: 0, abandoned: false, ticket: x });
      world.deliver(mail(x, 5, 6, 'finished'));
      expect(world.told).to.deep.equal({ x: ['chunk', 'chunk', 'finished'] });
      expect(world.pendings.withTicket(x)).to.equal(undefined);
    });

    it('is told apart from one that has ended here, which a rollback of Redis may bring back', () => {
      const world = successor();
      world.pending('x');
      world.deliver(mail(x, 5, 1, 'finished'), mail(x, 5, 1, 'finished'), mail(x, 6, 1));
      expect(world.told).to.deep.equal({ x: ['finished'] });
    });

    it('is told apart from one that this node gave up, as long as a rollback of Redis may bring it back', () => {
      const world = successor();
      world.delivery.disown(x);
      world.deliver(mail(x, 5, 1), mail(x, 5, 2), mail(x, 5, 3, 'finished'), mail(x, 6, 1));
      expect(world.told).to.deep.equal({});
    });

    /** Told of results that come before the put of `x` is answered, with another ticket than theirs. */
    const toldBefore = async (order: number, headStartMs: number, id = 'x'): Promise<Told> => {
      const world = successor();
      const ticket = ticketOf(id, order);
      await world.delivery.during(world.shard, async () => {
        world.deliver(mail(ticket, 5, 1));
        await Promise.resolve();
        const pending = { ...world.pending('x', ticketOf('x', 90_000)), headStartMs };
        world.delivery.placed(pending);
      });
      world.deliver(mail(ticket, 5, 2, 'finished'), mail(ticketOf('x', 90_000), 6, 1, 'finished'));
      return world.told;
    };

    it('is told apart from one that this node had put before Redis lost it', async () => {
      expect(await toldBefore(10_500, 0)).to.deep.equal({ x: ['finished'] });
      expect(await toldBefore(9_500, 1)).to.deep.equal({ x: ['finished'] });
    });

    it('may have the id of one that was put here', async () => {
      const both = ['chunk', 'finished', 'finished'];
      expect(await toldBefore(9_500, 0)).to.deep.equal({ x: both });
      expect(await toldBefore(10_500, 0, 'y')).to.deep.equal({ y: ['chunk', 'finished'], x: ['finished'] });
    });

    it('is told apart from one whose put is answered with its ticket', async () => {
      const world = successor();
      await world.delivery.during(world.shard, async () => {
        world.deliver(mail(ticketOf('x', 90_000), 5, 1));
        await Promise.resolve();
        world.delivery.placed(world.pending('x', ticketOf('x', 90_000)));
      });
      expect(world.told).to.deep.equal({ x: ['chunk'] });
      expect(world.delivery.disowns(ticketOf('x', 90_000)), 'it stands').to.equal(false);
    });

    it('is not taken for one while a put is unanswered', async () => {
      const world = successor();
      await world.delivery.during(world.shard, async () => {
        world.deliver(mail(x, 5, 1));
        expect(world.told).to.deep.equal({});
        await Promise.resolve();
        world.pending('x');
      });
      expect(world.told).to.deep.equal({ x: ['chunk'] });
    });
  });

  describe('of a request that this node runs itself', () => {
    it('ends with its final, also for what is still being sent', () => {
      const world: World = new World({
        predecessor: (id): Sink<unknown> => world.sink(`predecessor's ${id}`),
      });
      world.pending('x');
      const sent = [world.delivery.sending(x), world.delivery.sending(x)];
      world.deliver(mail(x, 5, 1), mail(x, 0, 0, 'cancelled'));
      sent[0]!();
      world.pending('x', x);
      world.deliver(mail(x, 5, 1));
      expect(world.told).to.deep.equal({ x: ['chunk', 'cancelled'] });
      sent[1]!();
      // nothing is on its way any more
      world.deliver(mail(x, 5, 1));
      expect(world.told).to.deep.equal({ x: ['chunk', 'cancelled', 'chunk'] });
    });
  });
});

function run(act: (world: World) => void, options?: Partial<DeliveryOptions<unknown>>): World {
  const world = new World(options);
  act(world);
  return world;
}
