/** The crash halfway: one node is killed, its work returns to the others, and a successor takes its name. */
import type { Lives } from '../lib/checker/lives.ts';
import { tally } from './figures.ts';
import type { DemoFleet, DemoMember } from './node.ts';

export interface Killed {
  node: string;
  /** ms of the run. */
  atMs: number;
  /** When its successor had its name; null: it has not so far. */
  takenOverMs: number | null;
  /** Requests in its engine, and those it had accepted and whose clients waited. */
  running: number;
  pending: number;
}

export interface SuccessionOptions {
  /** ms of the run. */
  killAtMs: number;
  /** How long after the kill the successor is started. */
  successorMs: number;
  /** Told what happens, for people. */
  tell: (event: string) => void;
}

export class Succession {
  readonly #fleet: DemoFleet;
  readonly #lives: Lives;
  readonly #options: SuccessionOptions;
  #victim: DemoMember | undefined;
  #successor: DemoMember | undefined;
  killed: Killed | undefined;

  constructor(fleet: DemoFleet, lives: Lives, options: SuccessionOptions) {
    this.#fleet = fleet;
    this.#lives = lives;
    this.#options = options;
  }

  /** The successor has the name, or never will. */
  get over(): boolean {
    return this.#successor !== undefined && this.#successor.state !== 'starting';
  }

  /** Does what is due; to be called now and then. */
  act(elapsedMs: () => number): void {
    const { killAtMs, successorMs } = this.#options;
    if (!this.killed) {
      if (elapsedMs() >= killAtMs) this.#kill(elapsedMs());
    } else if (!this.#successor && elapsedMs() >= this.killed.atMs + successorMs) {
      this.#succeed(this.killed, elapsedMs);
    }
  }

  /** Of the nodes that run something, the one with the most pending requests. */
  #kill(atMs: number): void {
    const figures = tally(this.#lives.all, Infinity);
    const pendingOf = ({ node }: DemoMember): number => {
      const of = figures.get(node);
      return of && of.running > 0 ? of.accepted - of.finished : 0;
    };
    const up = this.#fleet.current.filter(({ state }) => state === 'up');
    const [victim] = up.sort((one, other) => pendingOf(other) - pendingOf(one));
    if (!victim || pendingOf(victim) === 0) return;
    const { node } = victim;
    const { running } = figures.get(node)!;
    const pending = pendingOf(victim);
    this.#victim = victim;
    this.killed = { node, atMs: Math.round(atMs), takenOverMs: null, running, pending };
    victim.kill();
    this.#options.tell(`${node} is killed (SIGKILL): ${running} running, ${pending} of its own pending`);
  }

  #succeed(killed: Killed, elapsedMs: () => number): void {
    const { tell } = this.#options;
    this.#successor = this.#fleet.start({ ...this.#victim!.settings, takeover: true });
    tell(`a successor of ${killed.node} starts`);
    this.#successor.started().then(
      () => {
        killed.takenOverMs = Math.round(elapsedMs());
        tell(`it has taken the name over, and collects what ${killed.node} was owed`);
      },
      // why it died is among the fleet's deaths
      () => undefined,
    );
  }
}
