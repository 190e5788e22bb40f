/** The node processes of a run: started, killed, stopped, succeeded, and never left behind, however the run ends. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onProcessEnd } from '../../../src/testing/redis/cleanup.ts';
import { bundleInto } from './bundle.ts';
import { describe } from './happenings.ts';
import { Member } from './member.ts';
import type { NodeSettings } from './orders.ts';

/** Settings that the fleet fills in itself. */
type FilledIn = 'label' | 'number' | 'history';

export interface FleetOptions {
  /** What runs in each process; see {@link obeyParent}. */
  program: URL;
  /** Of the tool, in the name of the folder that holds the histories. */
  tool: string;
  /** A node may lose its name to another; default: that is a death against the plan. */
  evictions?: boolean;
}

export class Fleet<Settings extends NodeSettings = NodeSettings, More = unknown> {
  /** Every process there ever was, in the order of their starts. */
  readonly members: Member<Settings, More>[] = [];
  /** Processes that ended against the plan, and why. */
  readonly deaths: string[] = [];
  readonly #options: FleetOptions;
  readonly #folder: string;
  readonly #program: URL;
  readonly #forget: () => void;
  #kept = false;

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#folder = mkdtempSync(join(tmpdir(), `sched-lua-${options.tool}-`));
    this.#forget = onProcessEnd(() => {
      for (const member of this.members) member.destroy();
      this.#remove();
    });
    this.#program = bundleInto(options.program, join(this.#folder, 'node.mjs'));
  }

  /** Starts a process. */
  start(settings: Omit<Settings, FilledIn>): Member<Settings, More> {
    const number = this.members.length;
    const label = `p${number}`;
    const history = join(this.#folder, `${label}.jsonl`);
    const { evictions = false } = this.#options;
    const member: Member<Settings, More> = new Member({ ...settings, label, number, history } as Settings, {
      program: this.#program,
      evictions,
      onDeath: (reason) => void this.deaths.push(`${label} (${member.node}) died: ${reason}`),
    });
    this.members.push(member);
    return member;
  }

  get up(): Member<Settings, More>[] {
    return this.members.filter(({ state }) => state === 'up');
  }

  /** Of each name the process that has it now, in the order of the names' first starts. */
  get current(): Member<Settings, More>[] {
    return [...new Map(this.members.map((member) => [member.node, member])).values()];
  }

  /** Closes what lives; the processes end by themselves. Answers those that did not, in words. */
  async close(): Promise<string[]> {
    const open = this.members.filter(({ alive }) => alive);
    const closed = await Promise.all(open.map((member) => member.close()));
    return open.filter((_, i) => !closed[i]).map((member) => `${describe(member)} did not end by itself`);
  }

  /** Ends all at once; resolves when no process is left. */
  async destroy(): Promise<void> {
    for (const member of this.members) member.destroy();
    await Promise.all(this.members.map(({ gone }) => gone));
    for (const member of this.members) member.forget();
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
