/** What may happen, drawn at random, and how it is done in a world. */
import fc from 'fast-check';
import { parseTicket } from '../../src/base/ticket.ts';
import type { FrameChunk, Group, Held, PutItem, Wish } from '../lua/wire.ts';
import type { Rules } from './state.ts';
import type { Life } from './twin.ts';
import type { World } from './world.ts';

export const NODES = ['a', 'aa', 'b:1', 'n-2.x'];
const IDS = ['1', 'x|y', 'new\nline', 'a, b', 'ünï 🚂', '}'];
/** Bounds of the rules are where mistakes are. */
const JUMPS = [
  1, 10, 49, 50, 51, 1_000, 9_000, 14_999, 15_001, 29_999, 30_000, 30_001, 61_000, 119_000, 121_000, -5_000,
];

const item = fc.record({
  id: fc.constantFrom(...IDS),
  tokens: fc.constantFrom(0, 1, 10, 100, 1_000),
  deadline: fc.constantFrom<number | undefined>(
    undefined,
    undefined,
    undefined,
    0,
    1,
    50,
    20_000,
    60_000,
    150_000,
  ),
  headStart: fc.constantFrom(0, 0, 0, 1, 60, 100_000, -40, -60_000),
  triesLeft: fc.constantFrom(3, 3, 2, 1),
  loss: fc.constantFrom('finish' as const, 'finish' as const, 'abort' as const),
  body: fc
    .constantFrom('', 'x', '\u0000|}é', 'x'.repeat(60), 'x'.repeat(200))
    .map((text) => Buffer.from(text)),
});

const wish: fc.Arbitrary<Wish> = fc.record({
  dead: fc.constantFrom('lost' as const, 'failed' as const, 'all' as const),
  deadBytes: fc.constantFrom(0, 60, 65_536),
});

const who = fc.nat(7);
const some = fc.array(fc.nat(40), { maxLength: 5 });
export const action = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('put' as const),
      claimsIn: fc.constantFrom(undefined, 0, 10, 1_000, 'never' as const, 'never' as const),
      who,
      items: fc.array(item, { minLength: 1, maxLength: 6 }),
      full: fc.constantFrom(100, 100, 4),
      wish,
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('claim' as const),
      who,
      limit: fc.constantFrom(0, 1, 2, 3, 8),
      alone: fc.constantFrom(100, 1_000, 5_000),
      sum: fc.constantFrom(20, 150, 5_000),
      total: fc.constantFrom(100, 1_000, 5_000),
      bytes: fc.constantFrom(50, 250, 262_144),
      own: fc.boolean(),
      idleFor: fc.constantFrom(100, 3_000, 100_000),
      // a multiple of eight looks at what waits longest
      entropy: fc.oneof(fc.nat(), fc.constantFrom(8, 4_096, 999_992)),
      patience: fc.constantFrom(0, 1_000, 20_000),
      keepFor: fc.constantFrom(0, 50, 4_000, 100_000),
      askOn: fc.constantFrom(0, 0, 0, 0, 1, 2, 3),
      elsewhere: fc.constantFrom(-1, -1, 50, 5_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('flood' as const),
      who,
      count: fc.integer({ min: 10, max: 30 }),
      deadline: fc.constantFrom(1, 50, 20_000),
      wish,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('pushBack' as const),
      who,
      which: some,
      any: fc.boolean(),
      how: fc.record({
        after: fc.constantFrom<number | ''>('', '', 0, 0, 50, 1_000, 40_000),
        elsewhere: fc.boolean(),
        counted: fc.constantFrom(false, false, true),
        reason: fc.constantFrom('', 'gone', 'ünï | / %d'),
      }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('putResults' as const),
      who,
      which: fc.array(fc.nat(40), { minLength: 1, maxLength: 6 }),
      kinds: fc.array(fc.constantFrom('chunk', 'chunk', 'finished', 'failed'), {
        minLength: 6,
        maxLength: 6,
      }),
      any: fc.constantFrom(false, false, true),
      dead: fc.boolean(),
      full: fc.constantFrom(100, 3),
      /** How many of the first ones travel in frames. */
      framed: fc.constantFrom(0, 0, 2, 4, 6),
      form: fc.nat(2),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('take' as const), who, limit: fc.constantFrom(0, 1, 3, 17, 128) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('refresh' as const),
      who,
      leave: some,
      reap: fc.constantFrom(1, 3, 100),
      alive: fc.constantFrom(30_000, 30_000, 1, 90_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('cancel' as const),
      who,
      which: fc.array(fc.nat(40), { minLength: 1, maxLength: 3 }),
      final: fc.constantFrom('cancelled' as const, 'expired' as const, 'failed' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('reset' as const),
      who,
      which: some,
      slice: fc.constantFrom(1, 2, 100),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('time' as const), jump: fc.constantFrom(...JUMPS) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('resend' as const),
      who,
      back: fc.constantFrom(0, 0, 0, 1, 2, 5, 9),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('die' as const), who }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('takeOver' as const), who }) },
);
export type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

export const rules: fc.Arbitrary<Rules> = fc.record({
  ttls: fc.constantFrom([120_000], [120_000, 20_000], [20_000, 60_000, 120_000]),
  lease: fc.constant(30_000),
  policy: fc.constantFrom(
    'oldest' as const,
    'lucky' as const,
    'oldest' as const,
    'lucky' as const,
    'none' as const,
  ),
  minLoad: fc.constantFrom(1, 3, 110),
  loadUnit: fc.constantFrom('requests' as const, 'tokens' as const),
  stealAfter: fc.constantFrom(50, 30_000),
});

/** Those of `all` that the numbers name, each once. */
function chosen<T>(all: readonly T[], numbers: readonly number[]): T[] {
  return all.length === 0 ? [] : [...new Set(numbers.map((n) => all[n % all.length]!))];
}

export async function act(world: World, one: Action): Promise<void> {
  if (one.do === 'time') {
    world.pass(one.jump);
    return;
  }
  const life = world.lives[one.who % world.lives.length]!;
  switch (one.do) {
    case 'put':
      return world.put(life, one.items.map(withoutUndefined), one.full, one.claimsIn, one.wish);
    case 'flood': {
      const body = Buffer.from('f');
      const items = Array.from({ length: one.count }, (_, i) => ({
        id: `f${i}`,
        deadline: one.deadline,
        body,
      }));
      return world.put(life, items, 100, undefined, one.wish);
    }
    case 'claim': {
      const { limit, alone, sum, total, bytes, idleFor, entropy, patience, keepFor, askOn, elsewhere } = one;
      const rest = { idleFor, entropy, patience, keepFor, askOn, elsewhere };
      const bounds = { limit, alone, sum, total, bytes, ...rest };
      return world.claim(life, { ...bounds, since: one.own ? '0'.repeat(14) : life.seen.last });
    }
    case 'pushBack': {
      const from = one.any ? world.claims : life.held;
      const held = from.length === 0 ? [] : one.which.map((n) => from[n % from.length]!);
      return held.length > 0 ? world.pushBack(life, held, one.how) : undefined;
    }
    case 'putResults':
      return putResults(world, life, one);
    case 'take':
      return world.take(life, one.limit);
    case 'refresh': {
      const left = chosen(life.held, one.leave);
      return world.refresh(
        life,
        life.held.filter((each) => !left.includes(each)),
        [...life.pending],
        one.reap,
        one.alive,
      );
    }
    case 'cancel': {
      const tickets = chosen(world.tickets, one.which);
      return tickets.length > 0 ? world.cancel(life, tickets, one.final) : undefined;
    }
    case 'reset':
      return world.reset(life, one.slice, chosen(world.tickets, one.which));
    case 'resend':
      return world.resend(life, one.back);
    case 'die':
      if (world.lives.length > 1) world.lives.splice(world.lives.indexOf(life), 1);
      return;
    case 'takeOver':
      if (world.lives.length < 8) world.begin(life.node);
  }
}

function putResults(world: World, life: Life, one: Action & { do: 'putResults' }): Promise<void> | undefined {
  const from: readonly Held[] = one.any ? world.claims : life.held;
  if (from.length === 0) return undefined;
  const all = one.which.map((n, i) => ({
    ...from[n % from.length]!,
    ...{ number: i + 1, kind: one.kinds[i] as 'chunk', dead: one.dead, payload: Buffer.from(`r${i}\u0000|`) },
  }));
  const groups = new Map<string, Group & { chunks: FrameChunk[] }>();
  for (const { ticket, fence, number, payload } of all.slice(0, one.framed)) {
    const { owner } = parseTicket(ticket);
    const group = groups.get(owner) ?? { owner, own: owner === life.node, chunks: [] };
    groups.set(owner, group);
    group.chunks.push({ fence, number, payload });
  }
  return world.putResults(life, all.slice(one.framed), [...groups.values()], one.full, one.form);
}

function withoutUndefined({
  deadline,
  ...rest
}: Omit<PutItem, 'deadline'> & { deadline: number | undefined }): PutItem {
  return deadline === undefined ? rest : { ...rest, deadline };
}
