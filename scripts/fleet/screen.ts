/** How far the experiment is: a bar on a terminal, a line a run elsewhere. */
import { createLogUpdate } from 'log-update';
import type { Stage, Watcher } from './experiment.ts';
import type { RunReport } from './report.ts';

const BAR = 30;
const EVERY_MS = 100;

export interface Screen extends Watcher {
  /** The bar goes, and others may write. */
  done(): void;
}

export function openScreen(stream: NodeJS.WriteStream): Screen {
  if (!stream.isTTY) {
    const finished = (run: RunReport): void => void stream.write(`${lineOf(run)}\n`);
    return { progress: () => undefined, finished, done: () => undefined };
  }
  const update = createLogUpdate(stream);
  let shownAt = 0;
  return {
    progress: (stage, ended) => {
      const now = performance.now();
      if (now - shownAt < EVERY_MS) return;
      shownAt = now;
      update(barOf(stage, ended));
    },
    finished: (run) => {
      update.clear();
      stream.write(`${lineOf(run)}\n`);
    },
    done: () => update.clear(),
  };
}

export function barOf({ policy, load, seed, number, of, requests }: Stage, ended: number): string {
  const full = Math.floor((ended / requests) * BAR);
  const bar = '█'.repeat(full) + '░'.repeat(BAR - full);
  return `${bar} ${ended} of ${requests}, run ${number} of ${of}: ${policy}, load ${load}, seed ${seed}`;
}

export function lineOf({ policy, load, seed, queueDelayMs, r99 }: RunReport): string {
  const { p50, p99 } = queueDelayMs;
  return (
    `load ${load} seed ${seed} ${policy.padEnd(11)} queueing delay p50 ${Math.round(p50)} ms, ` +
    `p99 ${Math.round(p99)} ms, ${r99.toFixed(2)} times the ideal`
  );
}
