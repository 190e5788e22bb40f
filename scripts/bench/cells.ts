/** The table: what is measured, and beside whom. The first of a cell is compared with each of the others. */
import type { ContenderName } from './contenders/port.ts';
import type { Claims, Lifecycles, Load, Streams } from './loads.ts';

/** Who carries which load. */
export interface Entry {
  /** In the table. */
  name: string;
  contender: ContenderName;
  load: Load;
}

export interface Cell {
  name: string;
  /** What one of its units is. */
  unit: 'request' | 'chunk';
  /** `cost`: of a unit. `wait`: how long it takes, as multiples of a PING. */
  shows: readonly ('cost' | 'wait')[];
  entries: readonly [Entry, ...Entry[]];
  /** It is part of `--quick`, with these entries. */
  quick: readonly string[];
}

const FRONT_WAIT: Lifecycles = {
  ...{ kind: 'lifecycles', batch: 1, room: 1, window: 1, tokens: 128, pauseMs: 10 },
};

export const CELLS: readonly Cell[] = [
  lifecycles('put 1, room 1', { batch: 1, room: 1, window: 16 }, 'all', ['lists', 'bullmq']),
  lifecycles('put 1, room 64', { batch: 1, room: 64, window: 256 }, ['lists', 'bullmq', 'bullmq-events'], []),
  lifecycles('put 8, room 64', { batch: 8, room: 64, window: 512 }, 'all', ['lists', 'bullmq']),
  lifecycles('put 64, room 64', { batch: 64, room: 64, window: 1024 }, 'all', ['lists']),
  lifecycles(
    '24 KB, put 8',
    { batch: 8, room: 64, window: 256, tokens: 4_000 },
    ['lists', 'bullmq'],
    ['lists'],
  ),
  lifecycles('600 KB, put 1', { batch: 1, room: 8, window: 16, tokens: 97_000 }, ['lists', 'bullmq'], []),
  ...[1, 8, 64].map((streams) =>
    streamCell(named(streams), { streams }, ['lists', 'redis-streams', 'one-script', 'reference'], {
      quick: ['lists'],
    }),
  ),
  streamCell('64 streams, run', { streams: 64, by: 'run' }, ['lists', 'redis-streams'], { quick: ['lists'] }),
  streamCell('64 streams, own', { streams: 64, owners: 0 }, ['lists'], { quick: ['lists'] }),
  streamCell('64 streams, 16 owners', { streams: 64, owners: 16 }, ['lists', 'redis-streams'], {
    beside: [['one owner', { owners: 1 }]],
    quick: ['lists', 'one owner'],
  }),
  streamCell('64 streams, 10 % cancelled', { streams: 64, cancelled: 0.1 }, [], {
    beside: [['none cancelled', { cancelled: 0 }]],
    quick: ['none cancelled'],
  }),
  ...[1, 8, 34, 64].map((streams) =>
    streamCell(
      `${named(streams)} at 30 ms`,
      { streams, pacedMs: 30 },
      ['lists', 'redis-streams', 'reference'],
      {
        beside: [['run', { by: 'run' }]],
        quick: streams === 34 ? ['run'] : undefined,
      },
    ),
  ),
  streamCell('64 streams at 30 ms, 16 owners', { streams: 64, owners: 16, pacedMs: 30 }, ['lists'], {
    beside: [['one owner', { owners: 1 }]],
  }),
  ...[1, 8, 64].map((streams) =>
    streamCell(`${named(streams)} apart at 30 ms`, { streams, pacedMs: 30, areApart: true }, [], {
      beside: [5, 20].map((flushMs) => [`flush ${flushMs}`, { flushMs }] as const),
    }),
  ),
  {
    ...{ name: 'put to claim', unit: 'request', shows: ['wait'] },
    entries: [
      { name: 'front', contender: 'ours', load: { ...FRONT_WAIT, idle: 1 } },
      { name: 'front, 500 idle', contender: 'ours', load: { ...FRONT_WAIT, idle: 500 } },
      { name: 'own', contender: 'ours', load: claims('own') },
      { name: 'steal', contender: 'ours', load: claims('steal') },
      ...others(['lists', 'redis-streams', 'bullmq-events', 'reference'], FRONT_WAIT),
    ],
    quick: ['front', 'own', 'steal'],
  },
];

function others(names: readonly ContenderName[], load: Load): Entry[] {
  return names.map((name) => ({ name, contender: name, load }));
}

function lifecycles(
  name: string,
  load: Pick<Lifecycles, 'batch' | 'room' | 'window'> & Partial<Lifecycles>,
  beside: 'all' | readonly ContenderName[],
  quick: readonly ContenderName[],
): Cell {
  const all: readonly ContenderName[] = [
    ...(['lists', 'acknowledged', 'redis-streams', 'bullmq', 'bullmq-events', 'reference'] as const),
  ];
  const whole: Lifecycles = { kind: 'lifecycles', tokens: 128, ...load };
  return {
    ...{ name, unit: 'request', shows: ['cost'] },
    entries: [
      { name: 'ours', contender: 'ours', load: whole },
      ...others(beside === 'all' ? all : beside, whole),
    ],
    quick: quick.length === 0 ? [] : ['ours', ...quick],
  };
}

function streamCell(
  name: string,
  load: Partial<Streams> & { streams: number },
  beside: readonly ContenderName[],
  more: {
    beside?: readonly (readonly [name: string, load: Partial<Streams>])[];
    quick?: readonly string[] | undefined;
  },
): Cell {
  const whole: Streams = { kind: 'streams', owners: 1, by: 'calls', ...load };
  const bare = { ...whole, by: 'calls', owners: Math.max(1, whole.owners) } as const;
  return {
    ...{ name, unit: 'chunk', shows: whole.pacedMs === undefined ? ['cost'] : ['cost', 'wait'] },
    entries: [
      { name: 'ours', contender: 'ours', load: whole },
      ...(more.beside ?? []).map(([own, change]): Entry => ({
        ...{ name: own, contender: 'ours', load: { ...whole, ...change } },
      })),
      ...others(beside, bare),
    ],
    quick: more.quick ? ['ours', ...more.quick] : [],
  };
}

function named(streams: number): string {
  return `${streams} stream${streams === 1 ? '' : 's'}`;
}

function claims(who: Claims['who']): Claims {
  return { kind: 'claims', who };
}

/**
 * The cells that are measured.
 * @param only a pattern of their names
 */
export function cellsOf({ quick, only }: { quick: boolean; only?: RegExp | undefined }): Cell[] {
  return CELLS.filter(({ name }) => only?.test(name) ?? true).flatMap((cell) => {
    const [first, ...rest] = cell.entries.filter((entry) => !quick || cell.quick.includes(entry.name));
    return first ? [{ ...cell, entries: [first, ...rest] as const }] : [];
  });
}
