/**
 * One shard's scripts as a table of typed calls; nothing above this file knows arguments or replies (they are in wire.ts).
 * A call waits for Redis and is sent again until it is answered (resend.ts). A caller that cannot wait so long gives up
 * waiting; the call itself goes on.
 */
import type { SchedulerError } from '../base/errors.ts';
import { shardKeys, slotOf, wakePrefix } from '../base/keys.ts';
import type { Rules } from '../base/options.ts';
import type { Tick, Ticket } from '../base/ticket.ts';
import type { Teller } from '../observe/events.ts';
import type { ScriptName } from '../redis/declarations.ts';
import { whenReady } from '../redis/connection.ts';
import { runScript, type Argument, type Client } from '../redis/run-script.ts';
import type { SideConnection } from '../redis/side-connection.ts';
import type { ReplicatedPuts } from '../redis/wait-replicas.ts';
import { cutPuts, cutResults, isLarge } from './cuts.ts';
import { givenBackArguments, type GivenBack } from './give-back.ts';
import { HOLLOW_PUT, HOLLOW_RESULT } from './hollow.ts';
import { Lane, type LaneCall } from './lane.ts';
import type { Membership } from './membership.ts';
import { EvictedReply, StaleReply } from './resend.ts';
import { SeenTicks } from './seen-ticks.ts';
import { ShardTeller } from './shard-teller.ts';
import type { Place } from './troubles.ts';
import * as wire from './wire.ts';

const REAP_LIMIT = 128;
/** No tick is as high: no own ticket's body is withheld. */
const NEVER: Tick = 'ffffffffffffff';

/** The runner's side of a put by its own node. */
export interface LocalClaims {
  /**
   * A put is leaving for this shard, whose shortest prompt has so many tokens: in how many ms a claim follows; 0: right behind
   * it, on the same connection; undefined: none does, as far as is known.
   */
  claimsBehind(shard: number, tokens: number): number | undefined;
  /** A put with its claim right behind was answered. If the claim overtook the put, another claim is due. */
  claimIfWaiting(shard: number): void;
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

/** A shard as the parts of a node see it: {@link RedisShard}, or one in memory (src/testing/in-process). */
export type Shard = Pick<RedisShard, keyof RedisShard>;

export class RedisShard {
  readonly number: number;
  readonly #context: ShardContext;
  readonly #keys: string[];
  readonly #teller: ShardTeller;
  readonly #place: Place;
  readonly #seen = new SeenTicks();
  #since: { epoch: Tick; tick: Tick } | undefined;
  readonly #puts: Lane<wire.PutCall, wire.PutAnswer | wire.ResetAnswer>;
  readonly #claims: Lane<wire.ClaimItem, wire.ClaimAnswer>;
  readonly #results: Lane<wire.ResultItem, wire.ResultAnswer>;

  constructor(number: number, context: ShardContext) {
    this.number = number;
    this.#context = context;
    this.#keys = shardKeys(context.rules.topic, number);
    this.#teller = new ShardTeller(number, context.teller);
    this.#place = context.membership.troubles.place(
      `shard ${number} (slot ${slotOf(context.rules.topic, number)})`,
      (operation, ms, said) => this.#teller.slow(operation, ms, said),
    );
    const lane = {
      epoch: () => context.membership.epoch,
      answered: <T>(operation: string, send: (alone: boolean) => Promise<T>) =>
        this.#answered(operation, send),
    };
    this.#puts = new Lane<wire.PutCall, wire.PutAnswer | wire.ResetAnswer>({
      ...{ ...lane, operation: 'put_requests', cut: cutPuts, hollow: HOLLOW_PUT },
      usable: () => whenReady(context.replicatedPuts?.client ?? context.client),
      send: (call, items): Promise<(wire.PutAnswer | wire.ResetAnswer)[]> =>
        'reset' in items[0]! ? this.#reset(call, items[0].reset) : this.#put(call, items as wire.PutItem[]),
    });
    this.#claims = new Lane({
      ...{ ...lane, operation: 'claim', cut: () => 1 },
      send: (call, [item]) => this.#claim(call, item!),
    });
    this.#results = new Lane({
      ...{ ...lane, operation: 'put_results', cut: cutResults, hollow: HOLLOW_RESULT },
      send: (call, items) => this.#putResults(call, items),
    });
  }

  put(item: wire.PutItem): Promise<wire.PutAnswer> {
    return this.#puts.push(item) as Promise<wire.PutAnswer>;
  }

  /** A put that was not sent rejects with the error, and never will be. False: it may be in Redis. */
  withdraw(item: wire.PutItem, error: SchedulerError): boolean {
    return this.#puts.withdraw(item, error);
  }

  reset(pending: readonly Ticket[]): Promise<wire.ResetAnswer> {
    return this.#puts.push({ reset: pending }) as Promise<wire.ResetAnswer>;
  }

  claim(item: wire.ClaimItem): Promise<wire.ClaimAnswer> {
    return this.#claims.push(item);
  }

  putResult(item: wire.ResultItem): Promise<wire.ResultAnswer> {
    return this.#results.push(item);
  }

  get putsUnanswered(): boolean {
    return this.#puts.unanswered;
  }

  async flushed(): Promise<void> {
    await Promise.all([this.#puts.flushed(), this.#claims.flushed(), this.#results.flushed()]);
  }

  /** The highest tick that this process has seen of it; what is in Redis by then has no higher one. */
  get tick(): Tick {
    return this.#seen.last;
  }

  /** This process met an own ticket whose body it does not have: it has none that arrived before now. */
  forgetSince(): void {
    if (this.#since) this.#since = { ...this.#since, tick: this.#seen.last };
  }

  /** What arrived from this tick on was put by this process under this epoch: no predecessor can have put it. */
  get ownSince(): Tick {
    return this.#since?.epoch === this.#context.membership.epoch ? this.#since.tick : NEVER;
  }

  async pushBack(claims: readonly GivenBack[]): Promise<void> {
    this.#teller.givenBack(claims);
    for (let from = 0; from < claims.length; from += wire.MAX_ITEMS)
      await this.#persist('push_back', givenBackArguments(claims.slice(from, from + wire.MAX_ITEMS)));
  }

  /**
   * @param limit 0: none is taken, those up to the cursor are removed
   * @param halts at most MAX_ITEMS
   */
  async takeResults(
    cursor: Tick,
    limit: number = wire.MAX_ITEMS,
    halts: readonly wire.Halt[] = [],
  ): Promise<{ mails: wire.Mail[]; more: boolean }> {
    const limits = [String(limit), String(wire.MAX_BYTES)];
    const args = [wire.cursorArgument(cursor), ...limits, ...wire.haltArguments(halts)];
    const reply = await this.#persist('take_results', args);
    const answer = wire.parseTaken(reply);
    this.#teller.taken(answer.mails);
    return answer;
  }

  /** `held` are extended; of `pending`, those the shard does not know are answered. At most 500 of each. */
  async refresh<H extends wire.Held>(
    held: readonly H[],
    pending: readonly Ticket[],
    cursor: Tick,
  ): Promise<wire.RefreshAnswer<H>> {
    const { leaseMs, keepAliveMs } = this.#context.rules;
    const reply = await this.#persist('refresh', [
      String(REAP_LIMIT),
      wire.cursorArgument(cursor),
      String(Math.max(leaseMs, keepAliveMs)),
      String(held.length),
      ...wire.heldArguments(held),
      ...pending,
    ]);
    return wire.parseRefresh(reply, held, pending);
  }

  /**
   * @param final as which they end: the deadline of an expired one has passed by the clock of its owner, who has failed a failed one
   * @param reason why
   */
  async cancel(
    tickets: readonly Ticket[],
    final: 'cancelled' | 'expired' | 'failed' = 'cancelled',
    reason = '',
  ): Promise<wire.CancelAnswer[]> {
    const answers: wire.CancelAnswer[] = [];
    for (let from = 0; from < tickets.length; from += wire.MAX_ITEMS) {
      const some = tickets.slice(from, from + wire.MAX_ITEMS);
      answers.push(...wire.parseCancel(await this.#persist('cancel', [final, reason, ...some])));
    }
    return answers;
  }

  async #put(call: LaneCall, items: readonly wire.PutItem[]): Promise<wire.PutAnswer[]> {
    const { rules, membership, replicatedPuts, localClaims } = this.#context;
    const alone = call.alone || isLarge(items);
    // no claim can leave right behind a put that has a connection of its own
    const claims = replicatedPuts || alone ? undefined : localClaims;
    const claimsInMs = claims?.claimsBehind(this.number, Math.min(...items.map((item) => item.promptTokens)));
    const claimsIn = wire.claimsInArgument(claimsInMs, membership.isFront);
    const dead = [rules.deadLetter, String(rules.maxDeadBodyBytes)];
    const args = [String(rules.maxWaiting), claimsIn, ...dead, ...items.flatMap(wire.putArguments)];
    let replicated: boolean | undefined;
    const andReplicate: Send = async (client, name, all) => {
      const answer = await replicatedPuts!.run(client, name, this.#keys, all);
      replicated = answer.replicated;
      return answer.reply;
    };
    const way = replicatedPuts && { main: replicatedPuts.client, send: andReplicate };
    // no hop more than a claim has: the answers of a put and of the claim right behind it come in one read, and the ticket
    // must be known before its claim is opened
    const reply = await this.#run('put_requests', { ...call, alone }, args, way);
    if (claimsInMs === 0) claims!.claimIfWaiting(this.number);
    const answers = wire.parsePut(reply, membership.name, items);
    this.#teller.placed(items, answers);
    if (replicated === undefined) return answers;
    return answers.map((answer) => ('ticket' in answer ? { ...answer, replicated: replicated! } : answer));
  }

  async #reset(call: LaneCall, pending: readonly Ticket[]): Promise<wire.ResetAnswer[]> {
    return [wire.parseReset(await this.#run('reset', call, [String(wire.MAX_ITEMS), ...pending]))];
  }

  async #claim(call: LaneCall, item: wire.ClaimItem): Promise<wire.ClaimAnswer[]> {
    const answer = wire.parseClaim(await this.#run('claim', call, wire.claimArguments(item, this.ownSince)));
    this.#teller.claimed(answer.claims, this.#context.membership.name);
    return [answer];
  }

  async #putResults(call: LaneCall, items: readonly wire.ResultItem[]): Promise<wire.ResultAnswer[]> {
    const args = [String(this.#context.rules.maxResults), ...items.flatMap(wire.resultArguments)];
    const alone = call.alone || isLarge(items);
    return wire.parseResults(await this.#run('put_results', { ...call, alone }, args));
  }

  #persist(name: ScriptName, args: readonly Argument[]): Promise<Buffer[]> {
    return this.#answered(name, (alone) => this.#run(name, { number: '', alone }, args));
  }

  #answered<T>(operation: string, send: (alone: boolean) => Promise<T>): Promise<T> {
    return this.#place.watch(operation, (tell) =>
      this.#context.membership.answered(operation, send, (reason) => {
        tell(reason);
        this.#teller.slow(operation, 0, reason);
      }),
    );
  }

  readonly #send: Send = (client, name, args) =>
    runScript(client, this.#context.rules.scripts, name, this.#keys, args);

  /** One attempt of a call: what every script is told, then `args`; the guards' answers become errors. */
  async #run(
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
      String(this.number),
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

type Send = (client: Client, name: ScriptName, args: readonly Argument[]) => Promise<Buffer[]>;

/** The shards that this process has spoken of. */
export interface Shards {
  /** Made when first asked for. */
  get(number: number): Shard;
  all(): Shard[];
}

export class RedisShards implements Shards {
  readonly #made = new Map<number, RedisShard>();
  readonly #context: ShardContext;

  constructor(context: ShardContext) {
    this.#context = context;
  }

  get(number: number): Shard {
    let shard = this.#made.get(number);
    if (!shard) this.#made.set(number, (shard = new RedisShard(number, this.#context)));
    return shard;
  }

  all(): Shard[] {
    return [...this.#made.values()];
  }
}
