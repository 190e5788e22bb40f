/** All cells, one after the other; in each the entries by turns, so that what else the machine does meets all alike. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onProcessEnd } from '../../src/testing/redis/cleanup.ts';
import { openClient } from '../../src/redis/connection.ts';
import { ready } from '../../src/redis/ready.ts';
import type { Client } from '../../src/redis/run-script.ts';
import { bundleInto } from '../lib/harness/bundle.ts';
import { costOf, Longest, readServer, readVersion } from '../lib/measure/meter.ts';
import type { RedisServer } from '../lib/redis/find.ts';
import { newTopic, removeKeys } from '../lib/redis/topics.ts';
import type { Cell, Entry } from './cells.ts';
import { BULLMQ_DIRECT } from './contenders/bullmq.ts';
import { DIRECT } from './contenders/one-script.ts';
import { figuresOf, type CellFigures, type Sample } from './figures.ts';
import { measureIdleFleet } from './idle.ts';
import type { Options } from './options.ts';
import { Pair, type Round } from './pair.ts';
import type { Report } from './report.ts';

const PROJECT = fileURLToPath(new URL('../../package.json', import.meta.url));
const CONNECT_MS = 10_000;
/** All entries run so long before anything counts: code is compiled, connections and scripts are there. */
const WARM_MS = 300;
/** A paced round has at least so many iterations, or requests. */
const PACED_LEAST_MS = 300;

export class Suite {
  readonly #server: RedisServer;
  readonly #options: Options;
  readonly #log: (line: string) => void;
  readonly #topic = newTopic('bench');
  readonly #folder = mkdtempSync(join(tmpdir(), 'sched-lua-bench-'));
  readonly #program: URL;
  readonly #control: Client;
  readonly #longest: Longest | undefined;
  readonly #stop = new AbortController();
  readonly #forget: () => void;
  #pairs: Pair[] = [];
  #cells = 0;
  #going: Promise<unknown> = Promise.resolve();

  constructor(server: RedisServer, options: Options, log: (line: string) => void) {
    this.#server = server;
    this.#options = options;
    this.#log = log;
    this.#forget = onProcessEnd(() => this.#drop());
    this.#program = bundleInto(new URL('./process.ts', import.meta.url), join(this.#folder, 'side.mjs'));
    this.#control = openClient(server.url);
    // the figures of a server that others use stay theirs
    this.#longest = server.kind === 'url' ? undefined : new Longest(this.#control);
  }

  async measure(cells: readonly Cell[]): Promise<Report> {
    await ready(this.#control, this.#server.url, CONNECT_MS);
    const going = this.#measure(cells);
    this.#going = going.catch(() => undefined);
    return going;
  }

  /** Nothing is left: no process, no key. */
  async end(): Promise<void> {
    this.#stop.abort(new Error('interrupted'));
    for (const pair of this.#pairs) pair.kill();
    await this.#going;
    this.#control.disconnect();
    await removeKeys(this.#server.url, this.#topic);
    this.#drop();
    this.#forget();
  }

  async #measure(cells: readonly Cell[]): Promise<Report> {
    const { rounds, seconds, idleNodes, idleSeconds } = this.#options;
    const figures: CellFigures[] = [];
    for (const [i, cell] of cells.entries()) {
      this.#log(
        `[${i + 1}/${cells.length}] ${cell.name}: ${cell.entries.map(({ name }) => name).join(', ')}`,
      );
      figures.push(await this.#cell(cell));
    }
    const { mainThread } = await readServer(this.#control);
    const idle = { nodes: idleNodes, seconds: idleSeconds, signal: this.#stop.signal };
    if (idleNodes > 0) this.#log(`an idle fleet: ${idleNodes} nodes for ${idleSeconds} s`);
    return {
      redis: { ...(await readVersion(this.#control)), kind: this.#server.kind, mainThreadCpu: mainThread },
      ...{ rounds, seconds, cells: figures },
      ...(idleNodes > 0 && {
        idleFleet: await measureIdleFleet(this.#server.url, `${this.#topic}-idle`, this.#control, idle),
      }),
    };
  }

  async #cell(cell: Cell): Promise<CellFigures> {
    this.#cells += 1;
    const samples = new Map(cell.entries.map(({ name }) => [name, [] as Sample[]]));
    try {
      const pairs: [Entry, Pair][] = [];
      for (const [i, entry] of cell.entries.entries()) {
        this.#stop.signal.throwIfAborted();
        const topic = `${this.#topic}-${this.#cells}-${i}`;
        const place = { redis: this.#server.url, topic, program: this.#program, from: PROJECT };
        const pair = await Pair.start(entry, place);
        this.#pairs.push(pair);
        pairs.push([entry, pair]);
      }
      const warmMs = Math.min(WARM_MS, 1_000 * this.#options.seconds);
      for (const [entry, pair] of pairs) await this.#round(entry, pair, warmMs);
      const least = cell.shows.includes('wait') ? PACED_LEAST_MS : 0;
      const ms = Math.max(least, this.#options.seconds * 1000);
      for (let round = 0; round < this.#options.rounds; round += 1)
        for (const [entry, pair] of pairs) samples.get(entry.name)!.push(await this.#round(entry, pair, ms));
      await Promise.all(this.#pairs.map((pair) => pair.close()));
    } catch (error) {
      this.#stop.signal.throwIfAborted();
      throw error;
    } finally {
      for (const pair of this.#pairs.splice(0)) pair.kill();
    }
    return figuresOf(cell, samples);
  }

  #round({ contender }: Entry, pair: Pair, ms: number): Promise<Sample> {
    this.#stop.signal.throwIfAborted();
    const scripted = contender === 'ours' || (contender.startsWith('bullmq') && BULLMQ_DIRECT);
    const direct = contender === 'one-script' ? DIRECT : scripted;
    return pair.round(ms, async (act) => {
      await this.#longest?.begin();
      const before = await readServer(this.#control);
      const round = await act();
      const cost = costOf(before, await readServer(this.#control), direct);
      return sampleOf(round, cost, await this.#longest?.read());
    });
  }

  #drop(): void {
    for (const pair of this.#pairs) pair.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function sampleOf(
  round: Round,
  cost: { cpuMicros: number; sent: number; run: number },
  longest?: number,
): Sample {
  const { count, micros, ownerMicros, runnerMicros, waits, pings } = round;
  return {
    ...{ count, perSecond: (count / micros) * 1e6, redisMicros: cost.cpuMicros / count },
    clientMicros: (ownerMicros + runnerMicros) / count,
    ...{ ownerMicros: ownerMicros / count, runnerMicros: runnerMicros / count },
    ...{ sent: cost.sent / count, run: cost.run / count, longestMicros: longest, waits, pings },
  };
}
