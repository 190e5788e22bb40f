/** What the experiment needs of a node, whatever its scheduler. */
import type { LiveContext } from './live-engine.ts';

export interface NodeContext extends LiveContext {
  /** URL. */
  redis: string;
  topic: string;
  /** Told when the owner of a request hears of its end; again if it hears again. */
  onEnd: (id: number) => void;
  /** The run is over: a node cannot go on. */
  onFailure: (error: unknown) => void;
}

export interface FleetNode {
  /** Accepts a request as its owner; rejects if it cannot be put. */
  put(id: number): Promise<void>;
  /** Ends everything of the node but what is left in Redis. */
  close(): Promise<void>;
}

export function nameOf(node: number): string {
  return `node-${node}`;
}
