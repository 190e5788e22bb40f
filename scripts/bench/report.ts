/** What is printed: tables for people, one object for programs. */
import type { RedisServer } from '../lib/redis/find.ts';
import type { IdleFleet } from './idle.ts';
import type { Latency } from './latency.ts';
import type { Version } from '../lib/measure/meter.ts';
import type { CodecName } from './payloads.ts';
import type { Run, Sample } from './rounds.ts';

/** Everything that one run of the benchmark found. */
export interface Report {
  note: string;
  /** `mainThreadCpu`: its CPU figures are those of the main thread, which runs the commands. */
  redis: Version & { kind: RedisServer['kind']; mainThreadCpu: boolean };
  /** Calls in flight: puts, and puts of results, of ours; each of the four commands of the bound. */
  inFlight: number;
  codec: CodecName;
  resultBytes: number;
  runs: Run[];
  latency: Latency[];
  idleFleet?: IdleFleet;
}

export const NOTE =
  'Absolute figures of a shared machine mean little; the ratios, taken by turns in one run, are what counts.';

export function textOf(report: Report): string {
  const { redis, inFlight, codec, resultBytes, runs, latency, idleFleet } = report;
  const cpu = redis.mainThreadCpu ? "of the server's main thread" : 'of the whole server process';
  return [
    `${redis.program} ${redis.version} (${redis.kind}), codec ${codec}, results of ${resultBytes} bytes`,
    `${inFlight} calls in flight: puts and puts of results (claims and takes go one at a time); each of the bound's four.`,
    NOTE,
    '',
    'Requests/s: put -> claim -> final result -> taken by the owner, through two nodes in one process.',
    'Bound: RPUSH and LPOP of the same payloads, then of the results, by the same client. Medians of the rounds.',
    table([
      ['batch', 'tokens', 'bytes', 'requests/s', 'bound', 'ratio', '(min - max)', 'rounds'],
      ...runs.map((run) => [
        ...nameOf(run),
        round(run.requestsPerSecond),
        round(run.boundRequestsPerSecond),
        run.ratio.toFixed(3),
        rangeOf(run, 'requestsPerSecond', 3),
        String(run.rounds),
      ]),
    ]),
    '',
    `Costs per request: µs of CPU ${cpu}, of both nodes' process, and commands ("run": inside the scripts too).`,
    table([
      [
        'batch',
        'tokens',
        'bytes',
        'redis µs',
        'bound',
        'ratio',
        '(min - max)',
        'client µs',
        'bound',
        'sent',
        'bound',
        'run',
      ],
      ...runs.map((run) => [
        ...nameOf(run),
        run.redisCpuMicros.toFixed(1),
        run.boundRedisCpuMicros.toFixed(1),
        run.redisCpuRatio.toFixed(1),
        rangeOf(run, 'redisCpuMicros', 1),
        run.clientCpuMicros.toFixed(1),
        run.boundClientCpuMicros.toFixed(1),
        run.commandsPerRequest.toFixed(3),
        run.boundCommandsPerRequest.toFixed(3),
        run.commandsRunPerRequest.toFixed(1),
      ]),
    ]),
    ...(latency.length === 0 ? [] : ['', ...latencyText(latency)]),
    ...(idleFleet === undefined ? [] : ['', idleText(idleFleet)]),
  ].join('\n');
}

function latencyText(latency: readonly Latency[]): string[] {
  return [
    'From putRequests to the claim in hand, at an idle node, beside the PINGs of the same moments.',
    table([
      ['idle node', 'p50 µs', 'PING p50', 'ratio', 'p99 µs', 'PING p99', 'ratio', 'samples'],
      ...latency.map((one) => [
        one.idle === 'owner' ? 'the owner' : 'a peer',
        round(one.p50Micros),
        round(one.pingP50Micros),
        one.ratio.toFixed(1),
        round(one.p99Micros),
        round(one.pingP99Micros),
        one.p99Ratio.toFixed(1),
        String(one.samples),
      ]),
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

function nameOf({ batch, tokens, payloadBytes }: Run): string[] {
  return [String(batch), String(tokens), String(payloadBytes)];
}

function rangeOf({ samples }: Run, key: keyof Sample, digits: number): string {
  const ratios = samples.map(({ ours, bound }) => ours[key] / bound[key]);
  return `(${Math.min(...ratios).toFixed(digits)} - ${Math.max(...ratios).toFixed(digits)})`;
}

function round(value: number): string {
  return String(Math.round(value));
}

/** Columns of even width, numbers to the right. */
function table(rows: readonly string[][]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => row.map((cell, column) => cell.padStart(widths[column]!)).join('  ')).join('\n');
}
