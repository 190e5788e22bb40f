import type { Rules } from '../base/options.ts';
import type { ConnectionName, Teller } from '../observe/events.ts';
import type { Engines } from '../protocol/engines.ts';
import type { Lookout } from '../protocol/lookout.ts';
import type { Membership } from '../protocol/membership.ts';
import type { LocalClaims } from '../protocol/shard-calls.ts';
import type { Shards } from '../protocol/shards.ts';
import type { Rings } from './wakeup.ts';

/** By what a node reaches its topic: Redis (redis-link.ts), or memory (src/testing/in-process). */
export interface Link {
  readonly membership: Membership;
  readonly shards: Shards;
  readonly lookout: Pick<Lookout, 'look'>;
  readonly engines: Pick<Engines, 'mayHold' | 'refusal' | 'ofOthers' | 'read'>;
  /** Resolves when it can be used. @throws SchedulerError REDIS if that takes longer than commandTimeout */
  ready(): Promise<void>;
  /** Looks whether what is there will do, and warns. @throws SchedulerError CONFIG if it does not */
  check(): Promise<void>;
  /** Wake-ups come from now on; the node has its name. */
  listen(rings: Rings): Promise<void>;
  /** Those that are made. */
  connections(): Partial<Record<ConnectionName, 'up' | 'down'>>;
  /** The node is over. */
  close(): void;
}

/** What a node gives to its link. */
export interface LinkContext {
  rules: Rules;
  teller: Teller;
  localClaims: LocalClaims;
}

/** What a {@link StandIn} brings. */
export type OpenLink = (context: LinkContext) => Link;
