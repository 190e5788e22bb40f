/** The two processes of a contender: the owner's side and the runner's, each with its own CPU time. */
import { Subprocess } from '../lib/harness/subprocess.ts';
import type { Order, Report } from '../lib/harness/orders.ts';
import type { Entry } from './cells.ts';
import type { Role } from './contenders/port.ts';
import type { Did, SideOrder, SideSettings } from './process.ts';

/** There may be hundreds of nodes in one. */
const START_MS = 180_000;
const CLOSE_MS = 30_000;

/** What one round had. */
export interface Round {
  /** Requests or chunks that went all the way. */
  count: number;
  micros: number;
  ownerMicros: number;
  runnerMicros: number;
  waits: number[];
  pings: number[];
}

export interface PairPlace {
  redis: string;
  topic: string;
  /** The program of a side, in one file. */
  program: URL;
  /** See `Place`. */
  from: string;
}

export class Pair {
  readonly #owner: Hand;
  readonly #runner: Hand;
  /** The runner of streams leads, else the owner. */
  readonly #isRunnerLeading: boolean;
  #rounds = 0;

  /** @throws why a side did not start */
  static async start(entry: Entry, place: PairPlace): Promise<Pair> {
    const pair = new Pair(entry, place);
    try {
      await Promise.all([pair.#owner.started, pair.#runner.started]);
      return pair;
    } catch (error) {
      pair.kill();
      throw error;
    }
  }

  private constructor({ contender, load }: Entry, { program, ...place }: PairPlace) {
    const hand = (role: Role): Hand => new Hand(program, { ...place, contender, load, role });
    [this.#owner, this.#runner] = [hand('owner'), hand('runner')];
    this.#isRunnerLeading = load.kind === 'streams';
  }

  /** @param measure reads the server before and after */
  async round<Cost>(ms: number, measure: (act: () => Promise<Round>) => Promise<Cost>): Promise<Cost> {
    const both = [this.#owner, this.#runner];
    const [leader, follower] = this.#isRunnerLeading ? [this.#runner, this.#owner] : both;
    this.#rounds += 1;
    await Promise.all(both.map((hand) => hand.call({ order: 'open', round: this.#rounds })));
    const cost = await measure(async () => {
      await follower!.call({ order: 'begin', ms });
      const from = performance.now();
      const led = await leader!.call({ order: 'lead', ms });
      const followed = await follower!.call({ order: 'follow', total: led.total });
      const micros = (performance.now() - from) * 1000;
      const [owner, runner] = this.#isRunnerLeading ? [followed, led] : [led, followed];
      return {
        ...{ count: owner.told.count + runner.told.count, micros },
        ...{ ownerMicros: owner.cpuMicros, runnerMicros: runner.cpuMicros },
        waits: [...owner.told.waits, ...runner.told.waits],
        pings: [...owner.told.pings, ...runner.told.pings],
      };
    });
    await Promise.all(both.map((hand) => hand.call({ order: 'end' })));
    return cost;
  }

  async close(): Promise<void> {
    await Promise.all([this.#owner.close(), this.#runner.close()]);
  }

  kill(): void {
    this.#owner.kill();
    this.#runner.kill();
  }
}

/** One of them; it obeys one order after the other. */
class Hand {
  readonly started: Promise<unknown>;
  readonly #role: Role;
  readonly #process: Subprocess<Order<SideSettings, SideOrder>, Report | Did>;
  #answer: { did: (did: Did) => void; fail: (reason: Error) => void } | undefined;

  constructor(program: URL, settings: SideSettings) {
    this.#role = settings.role;
    this.#process = new Subprocess(program, (report) => this.#hear(report));
    void this.#process.gone.then(({ how }) => this.#fail(`ended: ${how}`));
    this.started = this.#send({ order: 'start', settings });
    const late = setTimeout(() => this.#fail(`was not up within ${START_MS} ms`), START_MS);
    this.started.finally(() => clearTimeout(late)).catch(() => undefined);
  }

  call(order: SideOrder): Promise<Did> {
    return this.#send(order);
  }

  /** It ends by itself, or is ended. */
  async close(): Promise<void> {
    this.#process.send({ order: 'close' });
    const late = setTimeout(() => this.#process.kill(), CLOSE_MS);
    await this.#process.gone;
    clearTimeout(late);
  }

  kill(): void {
    this.#process.kill();
  }

  #send(order: Order<SideSettings, SideOrder>): Promise<Did> {
    return new Promise((did, fail) => {
      this.#answer = { did, fail };
      if (this.#process.alive) this.#process.send(order);
      else this.#fail('has ended');
    });
  }

  #hear(report: Report | Did): void {
    if (report.report === 'failed') this.#fail(report.reason);
    else this.#answer?.did(report as Did);
  }

  #fail(why: string): void {
    this.#answer?.fail(new Error(`the ${this.#role}'s process: ${why}`));
  }
}
