import type { Rules } from '../../base/options.ts';
import type { Tick } from '../../base/ticket.ts';
import type { Rings } from '../../node/wakeup.ts';
import type { LineRules } from './lines.ts';

/** A living node of a topic. */
export interface Listener {
  readonly instance: string;
  readonly epoch: Tick;
  readonly rules: Rules;
  /** Tokens of the largest prompt that its engine can ever hold; undefined: it has none. */
  readonly engine: number | undefined;
  /** Its breaker is open. */
  readonly isDown: boolean;
  /** How it is woken; missing until it listens. */
  rings?: Omit<Rings, 'subscribed'>;
}

/** The nodes of a topic, as its shards see them. */
export interface Peers {
  /** One that lives. */
  get(name: string): Listener | undefined;
  /** ms of the shards' clock until which it counts as alive, Infinity while it lives; undefined: nobody has heard of it. */
  aliveUntil(name: string): number | undefined;
}

/** Who calls a shard, under which epoch, and by which rules. */
export interface Caller {
  readonly name: string;
  readonly epoch: Tick;
  readonly rules: LineRules;
}

export function lineRules({ policy, minLoadScore, loadUnit, stealAfterMs }: Rules): LineRules {
  return { policy, minLoad: minLoadScore, loadUnit, stealAfter: stealAfterMs };
}
