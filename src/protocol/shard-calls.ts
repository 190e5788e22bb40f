/**
 * How one shard is called: what every script is told, on which connection, and what its answer says of the shard itself (who is
 * evicted, how far its clock is).
 */
import { shardKeys, slotOf, wakePrefix } from '../base/keys.ts';
import type { Rules } from '../base/options.ts';
import type { Tick } from '../base/ticket.ts';
import type { Teller } from '../observe/events.ts';
import type { ScriptName } from '../redis/declarations.ts';
import { runScript, type Argument, type Client } from '../redis/run-script.ts';
import type { SideConnection } from '../redis/side-connection.ts';
import type { ReplicatedPuts } from '../redis/wait-replicas.ts';
import type { LaneCall } from './lane.ts';
import type { Membership } from './membership.ts';
import { EvictedReply, StaleReply } from './resend.ts';
import { SeenTicks } from './seen-ticks.ts';
import type { ShardTeller } from './shard-teller.ts';
import type { Place } from './troubles.ts';

/** No tick is as high: no own ticket's body is withheld. */
const NEVER: Tick = 'ffffffffffffff';

/** The runner's side of what a shard of its own node does. */
export interface LocalClaims {
  /**
   * A put is leaving for this shard, whose shortest prompt has so many tokens: in how many ms a claim follows; 0: right behind
   * it, on the same connection; undefined: none does, as far as is known.
   */
  claimsBehind(shard: number, tokens: number): number | undefined;
  /** A put with its claim right behind was answered. If the claim overtook the put, another claim is due. */
  claimIfWaiting(shard: number): void;
  /** Redis has taken this claim from this node. */
  taken(shard: number, fence: Tick): void;
}

/** What the shards of one node share. */
export interface ShardContext {
  client: Client;
  membership: Membership;
  rules: Rules;
  teller: Teller;
  /** For large calls, and those that may be what breaks connections. */
  side: SideConnection;
  /** For puts, on a connection of their own; missing: they wait for no replica. */
  replicatedPuts?: ReplicatedPuts | undefined;
  /** Asked at every put; missing: this node never waits for work. */
  localClaims?: LocalClaims;
}

export type Send = (client: Client, name: ScriptName, args: readonly Argument[]) => Promise<Buffer[]>;

export class ShardCalls {
  readonly keys: string[];
  readonly #number: number;
  readonly #context: ShardContext;
  readonly #teller: ShardTeller;
  readonly #place: Place;
  readonly #seen = new SeenTicks();
  #since: { epoch: Tick; tick: Tick } | undefined;

  constructor(number: number, context: ShardContext, teller: ShardTeller) {
    this.#number = number;
    this.#context = context;
    this.#teller = teller;
    this.keys = shardKeys(context.rules.topic, number);
    this.#place = context.membership.troubles.place(
      `shard ${number} (slot ${slotOf(context.rules.topic, number)})`,
      (operation, ms, said) => teller.slow(operation, ms, said),
    );
  }

  get tick(): Tick {
    return this.#seen.last;
  }

  forgetSince(): void {
    if (this.#since) this.#since = { ...this.#since, tick: this.#seen.last };
  }

  get ownSince(): Tick {
    return this.#since?.epoch === this.#context.membership.epoch ? this.#since.tick : NEVER;
  }

  /** A call on no lane: sent again until it is answered. */
  persist(name: ScriptName, args: readonly Argument[]): Promise<Buffer[]> {
    return this.answered(name, (alone) => this.run(name, { number: '', alone }, args));
  }

  /** Sends until it is answered, and tells who waits why that takes long. */
  answered<T>(operation: string, send: (alone: boolean) => Promise<T>): Promise<T> {
    return this.#place.watch(operation, (tell) =>
      this.#context.membership.answered(operation, send, (reason) => {
        tell(reason);
        this.#teller.slow(operation, 0, reason);
      }),
    );
  }

  readonly #send: Send = (client, name, args) =>
    runScript(client, this.#context.rules.scripts, name, this.keys, args);

  /** One attempt of a call: what every script is told, then `args`; the guards' answers become errors. */
  async run(
    name: ScriptName,
    { number, alone }: LaneCall,
    args: readonly Argument[],
    { main, send }: { main: Client; send: Send } = { main: this.#context.client, send: this.#send },
  ): Promise<Buffer[]> {
    const { topic, ttlMs, leaseMs, policy, minLoadScore, loadUnit, stealAfterMs } = this.#context.rules;
    const { name: node, epoch } = this.#context.membership;
    const answered = this.#teller.sending(name);
    const all = [
      node,
      epoch,
      this.#seen.floor(),
      '',
      String(ttlMs),
      String(leaseMs),
      wakePrefix(topic),
      String(this.#number),
      policy,
      String(minLoadScore),
      loadUnit,
      String(stealAfterMs),
      number,
      ...args,
    ];
    const attempt = (client: Client): Promise<Buffer[]> => send(client, name, all);
    const reply = await (alone ? this.#atTheSide(all, attempt) : attempt(main));
    const status = String(reply[0]);
    if (status === 'EVICTED') throw new EvictedReply(String(reply[1]));
    if (status === 'STALE') throw new StaleReply(parseInt(String(reply[1]), 16));
    const tick = String(reply[1]);
    this.#seen.see(tick);
    answered();
    if (this.#since?.epoch !== epoch) this.#since = { epoch, tick };
    return reply;
  }

  /** Others may be before it, of other schedulers, too: this one may be over when its turn comes. */
  #atTheSide<T>(args: readonly Argument[], attempt: (client: Client) => Promise<T>): Promise<T> {
    const { side, membership } = this.#context;
    return side.run(args, async (client) => {
      if (membership.over.aborted) throw membership.over.reason;
      return attempt(client);
    });
  }
}
