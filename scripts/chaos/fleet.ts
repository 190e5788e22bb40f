/** The node processes of a chaos run: started, killed, stopped, succeeded, and never left behind. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { onProcessEnd } from '../../src/testing/redis/cleanup.ts';
import { now, readHistory } from '../lib/harness/history.ts';
import type { Entry, Happening } from '../lib/harness/happenings.ts';
import type { ProcessHistory } from '../lib/checker/lives.ts';
import type { NodeSettings, Order, Report } from './node.ts';
import { EVICTED_EXIT } from '../lib/harness/peer.ts';

const program = fileURLToPath(new URL('./node.ts', import.meta.url));
const CLOSE_MS = 15_000;

export type MemberState = 'starting' | 'up' | 'killed' | 'evicted' | 'closing' | 'closed' | 'died';

/** One process; a successor of the same name is another member. */
export class Member {
  readonly settings: NodeSettings;
  state: MemberState = 'starting';
  /** The name it got; until then the name it asked for. */
  node: string;
  stopped = false;
  diedAt: number | undefined;
  readonly #child: ChildProcess;
  readonly gone: Promise<void>;

  constructor(settings: NodeSettings, onDeath: (member: Member, reason: string) => void) {
    this.settings = settings;
    this.node = settings.node;
    this.#child = fork(program, {
      // found from the folder of this file, wherever the run was started
      execArgv: ['--import', 'tsx'],
      cwd: fileURLToPath(new URL('.', import.meta.url)),
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    let said = '';
    this.#child.stderr
      ?.setEncoding('utf8')
      .on('data', (text: string) => (said = (said + text).slice(-1_500)));
    this.#child.on('message', (report: Report) => {
      if (report.report === 'ready') {
        this.node = report.node;
        if (this.state === 'starting') this.state = 'up';
      } else if (report.report === 'failed') {
        onDeath(this, report.reason);
      }
    });
    this.#child.on('error', (error) => onDeath(this, error.message));
    this.gone = once(this.#child, 'exit').then(([code, signal]) => {
      this.diedAt ??= now();
      if (this.state === 'killed') return;
      if (this.state === 'closing' && code === 0) this.state = 'closed';
      else if (code === EVICTED_EXIT) this.state = 'evicted';
      else {
        this.state = 'died';
        onDeath(this, `${String(signal ?? `exit code ${String(code)}`)} ${said.trim()}`);
      }
    });
    this.order({ order: 'start', settings });
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  order(order: Order): void {
    if (this.#child.connected) this.#child.send(order, () => undefined);
  }

  /** As a crash does, in whatever state. */
  kill(): void {
    this.diedAt ??= now();
    this.state = 'killed';
    this.#child.kill('SIGKILL');
  }

  /** It does nothing for `ms`, and does not know. */
  async stall(ms: number): Promise<void> {
    this.stopped = true;
    this.#child.kill('SIGSTOP');
    await sleep(ms, undefined, { ref: false });
    this.#child.kill('SIGCONT');
    this.stopped = false;
  }

  /** False if it did not end by itself. */
  async close(): Promise<boolean> {
    if (!this.alive) return this.state !== 'died';
    this.state = 'closing';
    this.order({ order: 'close' });
    const inTime = await Promise.race([this.gone.then(() => true), sleep(CLOSE_MS, false, { ref: false })]);
    if (!inTime) this.#child.kill('SIGKILL');
    return inTime;
  }

  destroy(): void {
    if (this.alive) this.#child.kill('SIGKILL');
  }
}

/** Settings of a member that the fleet does not fill in itself. */
export type MemberSettings = Omit<NodeSettings, 'history' | 'label' | 'seed'>;

export class Fleet {
  /** Every process there ever was, in the order of their starts. */
  readonly members: Member[] = [];
  /** Processes that ended against the plan, and why. */
  readonly deaths: string[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), 'sched-lua-chaos-'));
  readonly #seed: number;
  readonly #forget: () => void;
  #kept = false;

  constructor(seed: number) {
    this.#seed = seed;
    this.#forget = onProcessEnd(() => {
      for (const member of this.members) member.destroy();
      this.#remove();
    });
  }

  start(settings: MemberSettings): Member {
    const number = this.members.length;
    const label = `p${number}`;
    const member = new Member(
      {
        ...settings,
        label,
        seed: this.#seed * 1_000 + number,
        history: join(this.#folder, `${label}.jsonl`),
      },
      ({ node }, reason) => this.deaths.push(`${label} (${node}): ${reason}`),
    );
    this.members.push(member);
    return member;
  }

  get up(): Member[] {
    return this.members.filter(({ state }) => state === 'up');
  }

  histories(): ProcessHistory[] {
    return this.members.map(({ settings, diedAt, state }) => ({
      label: settings.label,
      entries: read(settings.history),
      diedAt: state === 'killed' || state === 'evicted' || state === 'died' ? diedAt : undefined,
    }));
  }

  /** Answers those that did not end by themselves, in words. */
  async close(): Promise<string[]> {
    const open = this.members.filter(({ alive }) => alive);
    const closed = await Promise.all(open.map((member) => member.close()));
    return open.flatMap(({ settings: { label }, node }, i) =>
      closed[i] ? [] : [`${label} (${node}) did not end by itself`],
    );
  }

  /** Ends all at once; resolves when no process is left. */
  async destroy(): Promise<void> {
    for (const member of this.members) member.destroy();
    await Promise.all(this.members.map(({ gone }) => gone));
    this.#remove();
    this.#forget();
  }

  /** The histories stay when everything else goes. Answers where. */
  keepHistories(): string {
    this.#kept = true;
    return this.#folder;
  }

  #remove(): void {
    if (!this.#kept) rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** A process that was killed before its first line has no file. */
function read(path: string): Entry[] {
  try {
    return readHistory<Happening>(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
