/** What is printed: tables for people, one object for programs. */
import type { RedisServer } from '../lib/redis/find.ts';
import type { Version } from '../lib/measure/meter.ts';
import type { CellFigures, Cost, Figure, Ratio, Row } from './figures.ts';
import type { IdleFleet } from './idle.ts';

/** Everything that one run of the benchmark found. */
export interface Report {
  /** `mainThreadCpu`: its CPU figures are those of the main thread, which runs the commands. */
  redis: Version & { kind: RedisServer['kind']; mainThreadCpu: boolean };
  rounds: number;
  /** Of a round. */
  seconds: number;
  cells: CellFigures[];
  idleFleet?: IdleFleet;
}

export function textOf({ redis, rounds, seconds, cells, idleFleet }: Report): string {
  const cpu = redis.mainThreadCpu ? 'of the main thread' : 'of the whole process';
  return [
    `${redis.program} ${redis.version} (${redis.kind}), ${rounds} rounds of ${seconds} s by turns; medians, ratios with their range.`,
    `Costs are of one request, or of one chunk: CPU of Redis (${cpu}), of the owner's and the runner's process, in µs;`,
    'commands that were sent, and that Redis ran; the longest command, in ms.',
    ...cells.flatMap((cell) => ['', ...cellText(cell)]),
    ...(idleFleet === undefined ? [] : ['', idleText(idleFleet)]),
  ].join('\n');
}

function cellText({ name, unit, shows, rows, ratios }: CellFigures): string[] {
  return [
    `## ${name}`,
    ...(shows.includes('cost') ? costText(unit, rows) : []),
    ...(ratios.length > 0 ? ratioText(ratios) : []),
    ...(shows.includes('wait') ? waitText(rows) : []),
  ];
}

function costText(unit: CellFigures['unit'], rows: readonly Row[]): string[] {
  return [
    table([
      ['', `${unit}s/s`, 'Redis', 'owner', 'runner', 'sent', 'run', 'longest'],
      ...rows.map(({ name, costs }) => {
        const of = (cost: Cost, digits: number, unitOf = 1): string =>
          costs[cost] === undefined ? '-' : (costs[cost].median / unitOf).toFixed(digits);
        return [
          ...[name, of('perSecond', 0), of('redisMicros', 2), of('ownerMicros', 1), of('runnerMicros', 1)],
          ...[of('sent', 3), of('run', 2), of('longestMicros', 2, 1000)],
        ];
      }),
    ]),
  ];
}

function ratioText(ratios: readonly Ratio[]): string[] {
  const cells = ({ median, min, max }: Figure): string[] => [
    median.toFixed(2),
    `(${min.toFixed(2)} - ${max.toFixed(2)})`,
  ];
  return [
    table([
      ['', 'Redis CPU', '', 'client CPU', '', 'rate', ''],
      ...ratios.map(({ of, to, redisCpu, clientCpu, rate }) => [
        ...[`${of} / ${to}`, ...cells(redisCpu), ...cells(clientCpu), ...cells(rate)],
      ]),
    ]),
  ];
}

function waitText(rows: readonly Row[]): string[] {
  return [
    table([
      ['', 'p50 µs', 'PING', 'PINGs', '', 'p99 µs', 'PING p99', 'ratio', 'samples'],
      ...rows.flatMap(({ name, wait }) => {
        if (!wait) return [];
        const { p50, p99, pingP50, pingP99, pings, pingsP99, samples } = wait;
        return [
          [
            ...[name, p50.toFixed(0), pingP50.toFixed(0), pings.median.toFixed(1)],
            ...[`(${pings.min.toFixed(1)} - ${pings.max.toFixed(1)})`, p99.toFixed(0), pingP99.toFixed(0)],
            ...[pingsP99.toFixed(1), String(samples)],
          ],
        ];
      }),
    ]),
  ];
}

function idleText(idle: IdleFleet): string {
  const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;
  return (
    `An idle fleet of ${idle.nodes} nodes, ${idle.seconds} s: per node ${idle.commandsPerNodeSecond.toFixed(2)} commands/s, ` +
    `${percent(idle.clientCpuPerNode)} of a core for its client, ${percent(idle.redisCpuPerNode)} for Redis.`
  );
}

/** Columns of even width, names to the left and numbers to the right. */
function table(rows: readonly string[][]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const pad = (cell: string, column: number): string =>
    column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!);
  return rows.map((row) => row.map(pad).join('  ').trimEnd()).join('\n');
}
