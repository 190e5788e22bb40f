/** What one run did with every request. Times are model ms from the first arrival; NaN: it has not come to that. */
import type { OwnedArrival } from '../lib/traffic/scale.ts';

export interface Journey extends OwnedArrival {
  /** KV-cache blocks that it takes, those of its output included. */
  blocks: number;
  /** The node whose engine it entered; -1: none yet. */
  runner: number;
  enteredAt: number;
  /** Its first iteration began. */
  prefillAt: number;
  firstTokenAt: number;
  finishedAt: number;
  /** How often it entered an engine. */
  executions: number;
  /** How often its owner was told its end. */
  ends: number;
}

/** From this time on an engine has so much room for requests that wait: none while it takes no more prompts. */
export interface Room {
  atMs: number;
  node: number;
  slots: number;
  blocks: number;
}

export interface History {
  nodes: number;
  /** Sequences that one engine runs at most. */
  slotsPerNode: number;
  /** KV-cache blocks of one engine. */
  blocksPerNode: number;
  /** In order of arrival. */
  journeys: Journey[];
  /** In order of time. */
  rooms: Room[];
}
