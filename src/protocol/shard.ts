/**
 * One shard's scripts as a table of typed calls; nothing above this file knows arguments or replies (they are in wire.ts and
 * replies.ts). A call waits for Redis and is sent again until it is answered (resend.ts). A caller that cannot wait so long
 * gives up waiting; the call itself goes on.
 */
import type { SchedulerError } from '../base/errors.ts';
import type { Tick, Ticket } from '../base/ticket.ts';
import { whenReady } from '../redis/connection.ts';
import { cutPuts, isLarge } from './cuts.ts';
import { givenBackArguments, type GivenBack } from './give-back.ts';
import { Grants } from './grants.ts';
import { HOLLOW_PUT } from './hollow.ts';
import { Lane, type LaneCall } from './lane.ts';
import * as replies from './replies.ts';
import { ResultLane, type ResultOutcome } from './result-lane.ts';
import { ShardCalls, type Send, type ShardContext } from './shard-calls.ts';
import { ShardTeller } from './shard-teller.ts';
import * as wire from './wire.ts';

const REAP_LIMIT = 128;

/** A shard as the parts of a node see it: {@link RedisShard}, or one in memory (src/testing/in-process). */
export type Shard = Pick<RedisShard, keyof RedisShard>;

export class RedisShard {
  readonly number: number;
  readonly #context: ShardContext;
  readonly #calls: ShardCalls;
  readonly #teller: ShardTeller;
  readonly #puts: Lane<wire.PutCall, wire.PutAnswer | wire.ResetAnswer>;
  readonly #claims: Lane<wire.ClaimItem, wire.ClaimAnswer>;
  readonly #grants = new Grants();
  readonly #results: ResultLane;

  constructor(number: number, context: ShardContext) {
    this.number = number;
    this.#context = context;
    this.#teller = new ShardTeller(number, context.teller, context.rules);
    this.#calls = new ShardCalls(number, context, this.#teller);
    const lane = {
      epoch: () => context.membership.epoch,
      answered: <T>(operation: string, send: (alone: boolean) => Promise<T>) =>
        this.#calls.answered(operation, send),
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
    const { maxResults, leaseMs, flushMs } = context.rules;
    this.#results = new ResultLane({
      ...{ ...lane, grants: this.#grants, node: () => context.membership.name },
      limits: [String(maxResults), String(wire.boxBytes(context.rules))],
      ...{ introduceMs: leaseMs / 3, flushMs },
      // each node of a Cluster hears every wake-up
      carriedBytes: 'nodes' in context.client ? 0 : wire.CARRIED_BYTES,
      send: (call, args) => this.#calls.run('put_results', call, args),
      taken: (fence) => context.localClaims?.taken(number, fence),
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

  /** Results in order: what became of each. Never rejects. */
  putResults(items: readonly wire.ResultItem[]): Promise<ResultOutcome[]> {
    return this.#results.put(items);
  }

  get putsUnanswered(): boolean {
    return this.#puts.unanswered;
  }

  /** Chunks that wait for others leave at once, in front of what is sent after this. */
  flush(): void {
    this.#results.flush();
  }

  async flushed(): Promise<void> {
    await Promise.all([this.#puts.flushed(), this.#claims.flushed(), this.#results.flushed()]);
  }

  /** The highest tick that this process has seen of it; what is in Redis by then has no higher one. */
  get tick(): Tick {
    return this.#calls.tick;
  }

  /** This process met an own ticket whose body it does not have: it has none that arrived before now. */
  forgetSince(): void {
    this.#calls.forgetSince();
  }

  /** What arrived from this tick on was put by this process under this epoch: no predecessor can have put it. */
  get ownSince(): Tick {
    return this.#calls.ownSince;
  }

  async pushBack(claims: readonly GivenBack[]): Promise<void> {
    this.#teller.givenBack(claims);
    // a chunk that was sent before its claim is given back is taken
    this.flush();
    for (let from = 0; from < claims.length; from += wire.MAX_ITEMS)
      await this.#calls.persist('push_back', givenBackArguments(claims.slice(from, from + wire.MAX_ITEMS)));
  }

  /**
   * @param cursor tick of the last entry that the caller has, and the last totals that it read
   * @param limit 0: none is taken, those up to the cursor are removed
   * @param halts at most MAX_ITEMS
   */
  async takeResults(
    cursor: string,
    limit: number = wire.MAX_ITEMS,
    halts: readonly wire.Halt[] = [],
  ): Promise<wire.TakenAnswer> {
    const limits = [String(limit), String(wire.MAX_BYTES)];
    const args = [wire.cursorArgument(cursor), ...limits, ...wire.haltArguments(halts)];
    return replies.parseTaken(await this.#calls.persist('take_results', args));
  }

  /** `held` are extended; of `pending`, those the shard does not know are answered. At most 500 of each. */
  async refresh<H extends wire.Held>(
    held: readonly H[],
    pending: readonly Ticket[],
    cursor: string,
  ): Promise<wire.RefreshAnswer<H>> {
    const { leaseMs, keepAliveMs } = this.#context.rules;
    const reply = await this.#calls.persist('refresh', [
      String(REAP_LIMIT),
      wire.cursorArgument(cursor),
      String(Math.max(leaseMs, keepAliveMs)),
      String(held.length),
      ...wire.heldArguments(held),
      ...pending,
    ]);
    return replies.parseRefresh(reply, held, pending);
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
      answers.push(...replies.parseCancel(await this.#calls.persist('cancel', [final, reason, ...some])));
    }
    return answers;
  }

  async #put(call: LaneCall, items: readonly wire.PutItem[]): Promise<wire.PutAnswer[]> {
    const { rules, membership, replicatedPuts, localClaims } = this.#context;
    const alone = call.alone || isLarge(items);
    // no claim can leave right behind a put that has a connection of its own
    const claims = replicatedPuts || alone ? undefined : localClaims;
    const claimsInMs = claims?.claimsBehind(this.number, Math.min(...items.map((item) => item.promptTokens)));
    const claimsIn = wire.claimsInArgument(claimsInMs, membership.keepsNone);
    const dead = [rules.deadLetter, String(rules.maxDeadBodyBytes)];
    const args = [String(rules.maxWaiting), claimsIn, ...dead, ...items.flatMap(wire.putArguments)];
    let replicated: boolean | undefined;
    const andReplicate: Send = async (client, name, all) => {
      const answer = await replicatedPuts!.run(client, name, this.#calls.keys, all);
      replicated = answer.replicated;
      return answer.reply;
    };
    const way = replicatedPuts && { main: replicatedPuts.client, send: andReplicate };
    // no hop more than a claim has: the answers of a put and of the claim right behind it come in one read, and the ticket
    // must be known before its claim is opened
    const reply = await this.#calls.run('put_requests', { ...call, alone }, args, way);
    if (claimsInMs === 0) claims!.claimIfWaiting(this.number);
    const answers = replies.parsePut(reply, membership.name, items);
    this.#teller.placed(items, answers);
    if (replicated === undefined) return answers;
    return answers.map((answer) => ('ticket' in answer ? { ...answer, replicated: replicated! } : answer));
  }

  async #reset(call: LaneCall, pending: readonly Ticket[]): Promise<wire.ResetAnswer[]> {
    return [replies.parseReset(await this.#calls.run('reset', call, [String(wire.MAX_ITEMS), ...pending]))];
  }

  async #claim(call: LaneCall, item: wire.ClaimItem): Promise<wire.ClaimAnswer[]> {
    const answer = replies.parseClaim(
      await this.#calls.run('claim', call, wire.claimArguments(item, this.ownSince)),
    );
    this.#grants.granted(answer.on, answer.claims);
    this.#teller.claimed(answer.claims, this.#context.membership.name);
    return [answer];
  }
}
