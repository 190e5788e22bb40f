/** The node processes of a run: none is left behind, however the run ends. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onProcessEnd } from '../../src/testing/redis/cleanup.ts';
import { Member } from './member.ts';
import type { NodeSettings } from './node.ts';

export class Fleet {
  /** Every process there ever was, in the order of their starts. */
  readonly members: Member[] = [];
  /** Processes that ended against the plan, and why. */
  readonly deaths: string[] = [];
  readonly #settings: (node: string) => Omit<NodeSettings, 'history'>;
  /** Of the histories. */
  readonly #folder = mkdtempSync(join(tmpdir(), 'sched-lua-demo-'));
  #kept = false;
  readonly #forget: () => void;

  constructor(settings: (node: string) => Omit<NodeSettings, 'history'>) {
    this.#settings = settings;
    this.#forget = onProcessEnd(() => {
      for (const member of this.members) member.destroy();
      this.#removeFolder();
    });
  }

  /** Starts a node; with `predecessor` it takes the name over. */
  start(node: string, predecessor?: Member): Member {
    const { scheduler, timeScale } = this.#settings(node);
    const settings = {
      scheduler: { ...scheduler, takeover: predecessor !== undefined },
      timeScale,
      history: join(this.#folder, `${this.members.length}-${node}.jsonl`),
    };
    const member = new Member(settings, predecessor, (reason) => this.deaths.push(`${node} died: ${reason}`));
    this.members.push(member);
    return member;
  }

  /** Of each name the process that has it now, in the order of the names' first starts. */
  get current(): Member[] {
    return [...new Map(this.members.map((member) => [member.node, member])).values()];
  }

  /** Closes every scheduler; the processes end by themselves. Answers those that did not, in words. */
  async close(): Promise<string[]> {
    const members = this.current;
    const closed = await Promise.all(members.map((member) => member.close()));
    return members.filter((_, i) => !closed[i]).map(({ node }) => `${node} did not end by itself`);
  }

  /** Ends all at once; resolves when no process is left. */
  async destroy(): Promise<void> {
    for (const member of this.members) member.destroy();
    await Promise.all(this.members.map((member) => member.gone()));
    this.#removeFolder();
    this.#forget();
  }

  /** The histories stay when everything else goes, for whoever wants to know more. Answers where. */
  keepHistories(): string {
    this.#kept = true;
    return this.#folder;
  }

  #removeFolder(): void {
    if (!this.#kept) rmSync(this.#folder, { recursive: true, force: true });
  }
}
