import { setImmediate as nextTurn } from 'node:timers/promises';
import type { SchedulerError } from '../../base/errors.ts';
import type { Tick, Ticket } from '../../base/ticket.ts';
import type { LinkContext } from '../../node/link.ts';
import { cutPuts, cutUnits, lingerOf, unitsOf, type ResultUnit } from '../../protocol/cuts.ts';
import type { GivenBack } from '../../protocol/give-back.ts';
import { Lane } from '../../protocol/lane.ts';
import type { Membership } from '../../protocol/membership.ts';
import type { ResultOutcome } from '../../protocol/result-lane.ts';
import { ShardTeller } from '../../protocol/shard-teller.ts';
import type { Shard } from '../../protocol/shard.ts';
import * as wire from '../../protocol/wire.ts';
import type { LineRules } from './lines.ts';
import { lineRules } from './listener.ts';
import type { MemoryShard } from './memory-shard.ts';
import type { Bounds } from './picking.ts';

/** No tick is as high: no own request's body is withheld. */
const NEVER: Tick = 'ffffffffffffff';

/**
 * A shard in memory as one node calls it, with the same lanes as one in Redis. A call is answered in a later turn of the event
 * loop, never at once.
 */
export class NodeShard implements Shard {
  readonly number: number;
  readonly #memory: MemoryShard;
  readonly #membership: Membership;
  readonly #context: LinkContext;
  readonly #lineRules: LineRules;
  readonly #teller: ShardTeller;
  readonly #puts: Lane<wire.PutCall, wire.PutAnswer | wire.ResetAnswer>;
  readonly #claims: Lane<wire.ClaimItem, wire.ClaimAnswer>;
  readonly #results: Lane<ResultUnit, ResultOutcome[]>;
  #seen: Tick = '';
  #since: { epoch: Tick; tick: Tick } | undefined;

  constructor(memory: MemoryShard, membership: Membership, context: LinkContext) {
    this.number = memory.number;
    this.#memory = memory;
    this.#membership = membership;
    this.#context = context;
    this.#lineRules = lineRules(context.rules);
    this.#teller = new ShardTeller(memory.number, context.teller, context.rules);
    const lane = {
      epoch: () => membership.epoch,
      answered: <T>(operation: string, send: (alone: boolean) => Promise<T>) =>
        membership.answered(operation, send),
    };
    this.#puts = new Lane<wire.PutCall, wire.PutAnswer | wire.ResetAnswer>({
      ...{ ...lane, operation: 'put_requests', cut: cutPuts },
      send: (_, items): Promise<(wire.PutAnswer | wire.ResetAnswer)[]> =>
        'reset' in items[0]! ? this.#reset(items[0].reset) : this.#put(items as wire.PutItem[]),
    });
    this.#claims = new Lane({
      ...{ ...lane, operation: 'claim', cut: () => 1 },
      send: (_, [item]) => this.#claim(item!),
    });
    this.#results = new Lane({
      ...{ ...lane, operation: 'put_results', cut: cutUnits },
      linger: lingerOf(context.rules.flushMs),
      send: (_, units) => this.#putResults(units),
    });
  }

  put(item: wire.PutItem): Promise<wire.PutAnswer> {
    return this.#puts.push(item) as Promise<wire.PutAnswer>;
  }

  withdraw(item: wire.PutItem, error: SchedulerError): boolean {
    return this.#puts.withdraw(item, error);
  }

  reset(pending: readonly Ticket[]): Promise<wire.ResetAnswer> {
    return this.#puts.push({ reset: pending }) as Promise<wire.ResetAnswer>;
  }

  claim(item: wire.ClaimItem): Promise<wire.ClaimAnswer> {
    return this.#claims.push(item);
  }

  async putResults(items: readonly wire.ResultItem[]): Promise<ResultOutcome[]> {
    const sent = unitsOf(items).map((unit) =>
      this.#results.push(unit).catch((error: unknown) => unit.items.map(() => error as SchedulerError)),
    );
    return (await Promise.all(sent)).flat();
  }

  get putsUnanswered(): boolean {
    return this.#puts.unanswered;
  }

  flush(): void {
    this.#results.flush();
  }

  async flushed(): Promise<void> {
    await Promise.all([this.#puts.flushed(), this.#claims.flushed(), this.#results.flushed()]);
  }

  get tick(): Tick {
    return this.#seen;
  }

  forgetSince(): void {
    if (this.#since) this.#since = { ...this.#since, tick: this.#seen };
  }

  get ownSince(): Tick {
    return this.#since?.epoch === this.#membership.epoch ? this.#since.tick : NEVER;
  }

  async pushBack(claims: readonly GivenBack[]): Promise<void> {
    this.#teller.givenBack(claims);
    this.flush();
    await this.#answered('push_back', (memory) => memory.pushBack(claims, this.#context.rules.ttlMs));
  }

  takeResults(
    cursor: Tick,
    limit: number = wire.MAX_ITEMS,
    halts: readonly wire.Halt[] = [],
  ): Promise<wire.TakenAnswer> {
    return this.#answered('take_results', (memory) => memory.takeResults(cursor, limit, halts));
  }

  refresh<H extends wire.Held>(
    held: readonly H[],
    pending: readonly Ticket[],
    cursor: Tick,
  ): Promise<wire.RefreshAnswer<H>> {
    return this.#answered('refresh', (memory) => memory.refresh(held, pending, cursor));
  }

  cancel(
    tickets: readonly Ticket[],
    final: 'cancelled' | 'expired' | 'failed' = 'cancelled',
    reason = '',
  ): Promise<wire.CancelAnswer[]> {
    return this.#answered('cancel', (memory) => memory.cancel(tickets, final, reason));
  }

  async #put(items: readonly wire.PutItem[]): Promise<wire.PutAnswer[]> {
    const { rules, localClaims } = this.#context;
    const least = Math.min(...items.map(({ promptTokens }) => promptTokens));
    const claimsInMs = localClaims.claimsBehind(this.number, least);
    const claimsIn = claimsInMs === undefined ? undefined : Math.ceil(claimsInMs);
    const announced = this.#membership.keepsNone ? 'never' : claimsIn;
    const answers = await this.#run('put_requests', (memory) =>
      memory.put(items, rules.maxWaiting, rules.ttlMs, announced),
    );
    if (claimsInMs === 0) localClaims.claimIfWaiting(this.number);
    this.#teller.placed(items, answers);
    return answers;
  }

  async #reset(pending: readonly Ticket[]): Promise<wire.ResetAnswer[]> {
    return [await this.#run('reset', (memory) => memory.reset(pending))];
  }

  async #claim(item: wire.ClaimItem): Promise<wire.ClaimAnswer[]> {
    const answer = await this.#run('claim', (memory) => memory.claim(this.#boundsOf(item)));
    this.#teller.claimed(answer.claims, this.#membership.name);
    return [answer];
  }

  #boundsOf(item: wire.ClaimItem): Bounds {
    const { aloneTokens, sumTokens, totalTokens, idleForMs, patienceMs, keepForMs, askOn } = item;
    return {
      ...{ limit: Math.min(item.limit, wire.MAX_CLAIMS), alone: aloneTokens, sum: sumTokens },
      ...{ total: totalTokens, bytes: wire.MAX_BYTES, since: this.ownSince, askOn },
      ...{ idleFor: Math.ceil(idleForMs), patience: Math.ceil(patienceMs), keepFor: Math.ceil(keepForMs) },
      ...{ entropy: Math.floor(Math.random() * 2 ** 31), elsewhere: item.elsewhereTokens },
    };
  }

  #putResults(units: readonly ResultUnit[]): Promise<ResultOutcome[][]> {
    const { rules } = this.#context;
    return this.#run('put_results', (memory) => {
      const answers = memory.putResults(
        units.flatMap(({ items }) => items),
        rules.maxResults,
        wire.boxBytes(rules),
      );
      let from = 0;
      return units.map(({ items }) => answers.slice(from, (from += items.length)));
    });
  }

  #answered<T>(operation: string, act: (memory: MemoryShard) => T): Promise<T> {
    return this.#membership.answered(operation, () => this.#run(operation, act));
  }

  async #run<T>(script: string, act: (memory: MemoryShard) => T): Promise<T> {
    const answered = this.#teller.sending(script);
    await nextTurn();
    // what was under way when it was killed is not done
    if (this.#membership.over.aborted) throw this.#membership.over.reason;
    const { name, epoch } = this.#membership;
    this.#memory.enter({ name, epoch, rules: this.#lineRules });
    const answer = act(this.#memory);
    this.#seen = this.#memory.tick;
    answered();
    if (this.#since?.epoch !== epoch) this.#since = { epoch, tick: this.#seen };
    return answer;
  }
}
