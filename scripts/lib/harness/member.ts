/** One process of a run, as its parent sees it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Entry, Happening, ProcessHistory } from './happenings.ts';
import { HistoryReader, now } from './history.ts';
import { EVICTED_EXIT, type NodeSettings, type Order, type Report } from './orders.ts';
import { Subprocess } from './subprocess.ts';

const START_MS = 60_000;
const CLOSE_MS = 15_000;

/** `evicted`: another process took its name, in a run in which that may be; `died`: it ended against the plan. */
export type MemberState = 'starting' | 'up' | 'killed' | 'evicted' | 'closing' | 'closed' | 'died';

/** A process did not start. */
export class NodeDied extends Error {}

/** What the fleet knows of a member beside its settings. */
export interface MemberOptions {
  /** In one file. */
  program: URL;
  /** A node may lose its name to another. */
  evictions: boolean;
  /** Told why the process ended against the plan. */
  onDeath: (reason: string) => void;
}

/** One process; a successor of the same name is another member. */
export class Member<Settings extends NodeSettings = NodeSettings, More = unknown> implements ProcessHistory {
  readonly settings: Settings;
  /** What it has written so far, as far as it was read; see {@link news}. */
  readonly entries: Entry[] = [];
  state: MemberState = 'starting';
  /** The name it got; until then the name it asked for. */
  node: string;
  /** It stands still, see {@link stall}. */
  stopped = false;
  readonly gone: Promise<void>;
  readonly #process: Subprocess<Order<Settings, More>, Report>;
  readonly #history: HistoryReader<Happening>;
  readonly #options: MemberOptions;
  readonly #up: Promise<void>;
  #settle!: { up: () => void; fail: (error: NodeDied) => void };
  #endedAt: number | undefined;

  constructor(settings: Settings, options: MemberOptions) {
    this.settings = settings;
    this.node = settings.node;
    this.#options = options;
    this.#history = new HistoryReader(settings.history);
    this.#up = new Promise((up, fail) => (this.#settle = { up, fail }));
    // `started` rejects all the same
    this.#up.catch(() => undefined);
    this.#process = new Subprocess(options.program, (report) => this.#hear(report));
    this.gone = this.#process.gone.then(({ code, how }) => {
      this.#endedAt ??= now();
      if (this.state === 'closing' && code === 0) this.state = 'closed';
      else if (code === EVICTED_EXIT && options.evictions) this.state = 'evicted';
      else this.#die(how);
      this.#settle.fail(new NodeDied(`${this.node} was not needed any more`));
    });
    this.order({ order: 'start', settings });
  }

  get label(): string {
    return this.settings.label;
  }

  /** ms of the histories' clock; undefined: it lives, or has ended in order. */
  get diedAt(): number | undefined {
    const { state } = this;
    return state === 'killed' || state === 'evicted' || state === 'died' ? this.#endedAt : undefined;
  }

  get alive(): boolean {
    return this.#process.alive;
  }

  /**
   * Resolves when it takes part in the fleet.
   * @throws NodeDied if it ends before that, or takes longer than a minute, and is killed then
   */
  async started(): Promise<void> {
    const late = new AbortController();
    sleep(START_MS, undefined, { ref: false, signal: late.signal }).then(
      () => this.#die(`it was not up within ${START_MS} ms`),
      () => undefined,
    );
    await this.#up.finally(() => late.abort());
  }

  order(order: Order<Settings, More>): void {
    this.#process.send(order);
  }

  /** What it wrote since the last call. */
  news(): Entry[] {
    const news = this.#history.read();
    for (const entry of news) this.entries.push(entry);
    return news;
  }

  /** As a crash does, in whatever state. */
  kill(): void {
    this.#endedAt ??= now();
    this.state = 'killed';
    this.#process.kill();
  }

  /** It does nothing for `ms`, and does not know. */
  async stall(ms: number): Promise<void> {
    this.stopped = true;
    this.#process.stop();
    await sleep(ms, undefined, { ref: false });
    this.#process.continue();
    this.stopped = false;
  }

  /** Lets it end by itself; false if it does not. */
  async close(): Promise<boolean> {
    if (!this.alive) return this.state !== 'died';
    this.state = 'closing';
    this.order({ order: 'close' });
    const inTime = await Promise.race([this.gone.then(() => true), sleep(CLOSE_MS, false, { ref: false })]);
    if (!inTime) this.#process.kill();
    return inTime;
  }

  /** Ends it at once; nothing is said of it any more. */
  destroy(): void {
    if (!this.alive) return;
    this.state = 'killed';
    this.#process.kill();
  }

  /** Its history is not read any more. */
  forget(): void {
    this.#history.close();
  }

  #hear(report: Report): void {
    if (report.report === 'failed') {
      this.#die(report.reason);
    } else {
      this.node = report.node;
      if (this.state === 'starting') this.state = 'up';
      this.#settle.up();
    }
  }

  /** It has ended against the plan, or is as good as over. */
  #die(reason: string): void {
    if (this.state === 'killed' || this.state === 'died') return;
    this.#endedAt ??= now();
    const wasStarting = this.state === 'starting';
    this.state = 'died';
    this.#process.kill();
    if (wasStarting) this.#settle.fail(new NodeDied(`${this.node} did not start: ${reason}`));
    this.#options.onDeath(reason);
  }
}
