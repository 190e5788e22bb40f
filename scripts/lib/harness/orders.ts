/** What a tool and the processes of its nodes tell each other. */
import { messageOf } from '../../../src/base/errors.ts';

/** The exit code by which a node says that another instance took its name. */
export const EVICTED_EXIT = 3;

/** What every node of a run is told at its start; the fleet fills in `label`, `number` and `history`. */
export interface NodeSettings {
  /** The name it asks for. */
  node: string;
  takeover: boolean;
  /** Of the process: unlike the name, never used again. */
  label: string;
  /** Of the processes of this run, from 0. */
  number: number;
  /** File. */
  history: string;
}

/** From the parent. `More`: what one tool adds. */
export type Order<Settings, More> = { order: 'start'; settings: Settings } | { order: 'close' } | More;

/** To the parent. */
export type Report = { report: 'ready'; node: string } | { report: 'failed'; reason: string };

/** A node in its process. */
export interface RunNode<More> {
  /** Answers the name that it got. */
  start(): Promise<string>;
  obey(order: More): void | Promise<void>;
  close(): Promise<void>;
}

/** Makes this process a node of a run: it obeys its parent, and ends with it. */
export function obeyParent<More extends { order: string }>(create: (settings: never) => RunNode<More>): void {
  let node: RunNode<More> | undefined;
  const tell = (report: Report): void => void process.send?.(report);
  const fail = (error: unknown): void => {
    tell({ report: 'failed', reason: error instanceof Error ? String(error.stack) : messageOf(error) });
  };

  const obey = async (order: Order<never, More>): Promise<void> => {
    if ('settings' in order) {
      node = create(order.settings);
      tell({ report: 'ready', node: await node.start() });
    } else if (order.order === 'close') {
      await node?.close();
      process.disconnect();
    } else {
      await node?.obey(order as More);
    }
  };

  process.on('message', (order: Order<never, More>) => void obey(order).catch(fail));
  process.on('unhandledRejection', fail);
  // Ctrl-C reaches the whole process group, and the parent decides when this process ends
  process.on('SIGINT', () => undefined);
  // without its parent the process has no purpose; after a disconnect of its own it has nothing left to do
  process.on('disconnect', () => process.exit());
}
