/**
 * One shard's scripts as typed calls; nothing above this file knows arguments or replies. Calls wait for Redis and are
 * sent again until answered (see `membership.answered`); who cannot wait gives up waiting, the call does not.
 */
import { shardKeys, wakePrefix } from '../base/keys.ts';
import { Lane, StaleReply } from './lane.ts';
import { EvictedReply, type Membership } from './membership.ts';
import {
  MAX_BYTES,
  MAX_ITEMS,
  cutPuts,
  fitting,
  parseClaims,
  parseMail,
  parseTickets,
  putArguments,
  sizeOf,
  wait,
  type CancelAnswer,
  type ClaimAnswer,
  type ClaimItem,
  type Held,
  type Mail,
  type PutAnswer,
  type PutCall,
  type PutItem,
  type RefreshAnswer,
  type ResetAnswer,
  type ResultAnswer,
  type ResultItem,
} from './wire.ts';
import type { Rules } from '../base/options.ts';
import type { ReplicatedPuts } from '../redis/wait-replicas.ts';
import { runScript, type Argument, type Client } from '../redis/run-script.ts';
import type { ScriptName } from '../redis/declarations.ts';
import { NO_TICK, hex, joinTicket, laterTick, type Tick, type Ticket } from '../base/ticket.ts';

const REAP_LIMIT = 128;

/** The runner's side of a put by its own node. */
export interface LocalClaims {
  /**
   * A put is leaving for this shard: in how many ms a claim follows; 0: right behind it, on the same connection; undefined:
   * none does, as far as is known.
   */
  claimsBehind(shard: number): number | undefined;
  /** A put with its claim right behind was answered: should the claim have overtaken it, another is due. */
  claimIfWaiting(shard: number): void;
}

export class Shard {
  readonly number: number;
  /** Highest tick this process has seen here. */
  #seen: Tick = NO_TICK;
  /** From this order on, own tickets were put by this process under this epoch: no predecessor can have put them. */
  #since: { epoch: Tick; tick: Tick } | undefined;
  readonly #keys: string[];
  readonly #client: Client;
  readonly #membership: Membership;
  readonly #rules: Rules;
  readonly #replication: ReplicatedPuts | undefined;
  readonly #runner: (() => LocalClaims) | undefined;
  readonly #puts: Lane<PutCall, PutAnswer | ResetAnswer>;
  readonly #claims: Lane<ClaimItem, ClaimAnswer>;
  readonly #results: Lane<ResultItem, ResultAnswer>;

  /**
   * @param replication for puts; missing: they wait for no replica
   * @param runner of the same node, asked at every put; missing: it never waits for work
   */
  constructor(
    number: number,
    client: Client,
    membership: Membership,
    settings: Rules,
    { replication, runner }: { replication?: ReplicatedPuts | undefined; runner?: () => LocalClaims } = {},
  ) {
    this.#replication = replication;
    this.#runner = runner;
    this.number = number;
    this.#keys = shardKeys(settings.topic, number);
    this.#client = client;
    this.#membership = membership;
    this.#rules = settings;
    this.#puts = new Lane<PutCall, PutAnswer | ResetAnswer>(
      membership,
      'put_requests',
      (laneCall, items): Promise<(PutAnswer | ResetAnswer)[]> =>
        'reset' in items[0]! ? this.#reset(laneCall, items[0].reset) : this.#put(laneCall, items),
      cutPuts,
    );
    this.#claims = new Lane(
      membership,
      'claim',
      (laneCall, [item]) => this.#claim(laneCall, item!),
      () => 1,
    );
    this.#results = new Lane(
      membership,
      'put_results',
      (laneCall, items) => this.#putResults(laneCall, items),
      (queue) => fitting(queue.map(({ item }) => sizeOf(item.payload))),
    );
  }

  put(item: PutItem): Promise<PutAnswer> {
    return this.#puts.push({ put: item }) as Promise<PutAnswer>;
  }

  /** In its place among the puts. */
  reset(pending: readonly Ticket[]): Promise<ResetAnswer> {
    return this.#puts.push({ reset: pending }) as Promise<ResetAnswer>;
  }

  claim(item: ClaimItem): Promise<ClaimAnswer> {
    return this.#claims.push(item);
  }

  putResult(item: ResultItem): Promise<ResultAnswer> {
    return this.#results.push(item);
  }

  get putsUnanswered(): boolean {
    return this.#puts.unanswered;
  }

  async flushed(): Promise<void> {
    await Promise.all([this.#puts.flushed(), this.#claims.flushed(), this.#results.flushed()]);
  }

  /** Bodies of own tickets are wanted again: this process met one it does not know. */
  forgetSince(): void {
    this.#since = undefined;
  }

  async pushBack(claims: readonly Held[]): Promise<void> {
    for (let from = 0; from < claims.length; from += MAX_ITEMS) {
      const slice = claims.slice(from, from + MAX_ITEMS);
      await this.#persist(
        'push_back',
        slice.flatMap(({ ticket, fence }) => [ticket, fence]),
      );
    }
  }

  async takeResults(cursor: Tick): Promise<{ mails: Mail[]; more: boolean }> {
    const reply = await this.#persist('take_results', [
      cursor === NO_TICK ? '' : cursor,
      String(MAX_ITEMS),
      String(MAX_BYTES),
    ]);
    return { more: String(reply[2]) === '1', mails: reply.slice(3).map(parseMail) };
  }

  /** `held` are extended; of `pending`, those the shard does not know are answered. At most 500 of each. */
  async refresh<H extends Held>(
    held: readonly H[],
    pending: readonly Ticket[],
    cursor: Tick,
  ): Promise<RefreshAnswer<H>> {
    const reply = await this.#persist('refresh', [
      String(REAP_LIMIT),
      cursor === NO_TICK ? '' : cursor,
      String(held.length),
      ...held.flatMap(({ ticket, fence }) => [ticket, fence]),
      ...pending,
    ]);
    const indexes = (text: string): number[] => (text === '' ? [] : text.split(' ').map(Number));
    return {
      lost: indexes(String(reply[2])).map((i) => held[i]!),
      unknown: indexes(String(reply[3])).map((i) => pending[i]!),
      more: String(reply[4]) === '1',
      ...wait('dueMs', reply[5]),
    };
  }

  async cancel(tickets: readonly Ticket[]): Promise<CancelAnswer[]> {
    const reply = await this.#persist('cancel', tickets);
    return String(reply[2]).split(' ') as CancelAnswer[];
  }

  async #put(laneCall: string, calls: PutCall[]): Promise<PutAnswer[]> {
    const items = calls.map((call) => (call as { put: PutItem }).put);
    let replicated: boolean | undefined;
    const andReplicate = async (args: readonly Argument[]): Promise<Buffer[]> => {
      const answer = await this.#replication!.run('put_requests', this.#keys, args);
      replicated = answer.replicated;
      return answer.reply;
    };
    // with replication puts have a connection of their own
    const runner = this.#replication ? undefined : this.#runner?.();
    const claimsInMs = runner?.claimsBehind(this.number);
    const reply = await this.#run(
      'put_requests',
      laneCall,
      [
        String(this.#rules.maxWaiting),
        claimsInMs === undefined ? '' : String(Math.ceil(claimsInMs)),
        ...items.flatMap(putArguments),
      ],
      this.#replication && andReplicate,
    );
    if (claimsInMs === 0) runner!.claimIfWaiting(this.number);
    return String(reply[2])
      .split(',')
      .map((answer, i): PutAnswer => {
        const [status, detail] = answer.split(' ');
        if (status === 'FULL') return { status, retryAfterMs: Number(detail) };
        if (status === 'EXPIRED') return { status };
        const ticket = joinTicket(this.#membership.name, detail!, items[i]!.id);
        return { status: status as 'OK', ticket, ...(replicated === undefined ? {} : { replicated }) };
      });
  }

  async #reset(laneCall: string, pending: readonly Ticket[]): Promise<ResetAnswer[]> {
    const reply = await this.#run('reset', laneCall, [String(MAX_ITEMS), ...pending]);
    const answer = reply[2]!;
    return [{ more: answer.toString('latin1', 0, 1) === '1', dropped: parseTickets(answer, 1) }];
  }

  async #claim(laneCall: string, item: ClaimItem): Promise<ClaimAnswer[]> {
    const since = this.#since?.epoch === this.#membership.epoch ? this.#since.tick : 'ffffffffffffff';
    const reply = await this.#run('claim', laneCall, [
      String(item.limit),
      String(item.aloneTokens),
      String(item.sumTokens),
      String(item.totalTokens),
      String(MAX_BYTES),
      since,
      String(Math.ceil(item.idleForMs)),
      String(Math.floor(Math.random() * 2 ** 31)),
    ]);
    const remembered = reply.length === 3;
    return [
      {
        status: String(reply[0]) as 'OK',
        claims: parseClaims(reply[2]!, reply.slice(5)),
        remembered,
        ...(remembered ? {} : { ...wait('againMs', reply[3]), ...wait('dueMs', reply[4]) }),
      },
    ];
  }

  async #putResults(laneCall: string, items: ResultItem[]): Promise<ResultAnswer[]> {
    const reply = await this.#run('put_results', laneCall, [
      String(this.#rules.maxResults),
      ...items.flatMap((item) => [
        item.ticket,
        item.fence,
        hex(item.number, 8),
        item.kind,
        item.dead ? '1' : '0',
        item.payload,
      ]),
    ]);
    return String(reply[2]).split(' ') as ResultAnswer[];
  }

  #persist(name: ScriptName, args: readonly Argument[]): Promise<Buffer[]> {
    return this.#membership.answered(name, () => this.#run(name, '', args));
  }

  async #run(
    name: ScriptName,
    laneCall: string,
    args: readonly Argument[],
    run: (args: readonly Argument[]) => Promise<Buffer[]> = (all) =>
      runScript(this.#client, this.#rules.scripts, name, this.#keys, all),
  ): Promise<Buffer[]> {
    const { topic, ttlMs, leaseMs, policy, minLoadScore, loadUnit, stealAfterMs } = this.#rules;
    const { name: node, epoch } = this.#membership;
    const reply = await run([
      node,
      epoch,
      this.#seen,
      '',
      String(ttlMs),
      String(leaseMs),
      wakePrefix(topic),
      String(this.number),
      policy,
      String(minLoadScore),
      loadUnit,
      String(stealAfterMs),
      laneCall,
      ...args,
    ]);
    const status = String(reply[0]);
    if (status === 'EVICTED') throw new EvictedReply(String(reply[1]));
    if (status === 'STALE') throw new StaleReply(parseInt(String(reply[1]), 16));
    const tick = String(reply[1]);
    this.#seen = laterTick(this.#seen, tick);
    if (this.#since?.epoch !== epoch) this.#since = { epoch, tick };
    return reply;
  }
}
