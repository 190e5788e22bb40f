/**
 * One shard of a topic in memory: what the scripts of lua/ do in Redis, in plain objects. What those need for the bad days of
 * Redis and its connections (remembered answers, leases by the clock, mending, expiry of tables) is not here: nothing is lost
 * in memory, and a claim stands as long as its node lives.
 */
import { copyOf } from '../../base/codec.ts';
import { MAX_TOKENS, NO_TICK, hex, joinTicket, type Tick, type Ticket } from '../../base/ticket.ts';
import { givenBackArguments, type GivenBack } from '../../protocol/give-back.ts';
import { EvictedReply } from '../../protocol/resend.ts';
import type * as wire from '../../protocol/wire.ts';
import type { End, Request } from './lines.ts';
import type { Caller } from './listener.ts';
import { MemoryStore, arrivalOf, storyOf } from './memory-store.ts';
import { pause } from './pauses.ts';
import { pick } from './pick.ts';
import type { Bounds } from './picking.ts';

const NO_ROOM = 'its owner has no room for more results (option maxResults)';
/** Requests past their deadlines that one claim, and one refresh, ends. */
const ENDED_BY_CLAIM = 16;
const ENDED_BY_REFRESH = 128;

/** What is looked at of a result. */
export type MemoryResult = Pick<wire.ResultItem, 'number' | 'kind' | 'payload' | 'bare'> & {
  claim: wire.Held;
};

export class MemoryShard extends MemoryStore {
  readonly #epochs = new Map<string, Tick>();

  /** Every call begins so. Under a new epoch of a name, what its predecessor held is lost to it. */
  enter({ name, epoch, rules }: Caller): void {
    const standing = this.#epochs.get(name) ?? NO_TICK;
    if (epoch < standing) throw new EvictedReply(standing);
    this.calls(name, rules);
    if (epoch === standing) return;
    this.#epochs.set(name, epoch);
    this.lapse(name, true);
    this.asks.delete(name);
  }

  /** @param ttl ms; `announced`: see {@link Idle.hasPut} */
  put(
    items: readonly wire.PutItem[],
    maxWaiting: number,
    ttl: number,
    announced: number | 'never' | undefined,
  ): wire.PutAnswer[] {
    const retryAfterMs = this.retryAfter(this.node);
    const accepted: Request[] = [];
    let isFull = false;
    const answers = items.map((item): wire.PutAnswer => {
      const standing = this.requests.get(`${this.node}|${item.id}`);
      if (isFull) return { status: 'FULL', retryAfterMs };
      const body = copyOf(item.payload);
      if (standing) return { status: 'DUPLICATE', ticket: standing.ticket, same: standing.body.equals(body) };
      if (Math.floor(item.deadlineMs) <= 0) return { status: 'EXPIRED' };
      isFull = this.line(this.node).length >= maxWaiting;
      if (isFull) return { status: 'FULL', retryAfterMs };
      const request = this.#accept(item, body);
      accepted.push(request);
      return { status: 'OK', ticket: request.ticket };
    });
    const least = Math.min(...accepted.map(({ tokens }) => tokens));
    if (accepted.length > 0) this.hasPut(this.node, least, announced, ttl);
    return answers;
  }

  #accept(item: wire.PutItem, body: Buffer): Request {
    const { id, deadlineMs, headStartMs, triesLeft, triesSpent } = item;
    const endsAlone = item.onOwnerLoss === 'abort';
    const tokens = Math.min(item.promptTokens, MAX_TOKENS);
    const order = parseInt(this.nextTick(), 16) - 1000 * headStartMs;
    const deadline = this.now + Math.floor(deadlineMs);
    const stamp = [hex(order, 14), hex(tokens, 8), hex(deadline, 12)].join('|');
    const request: Request = {
      ...{ ticket: joinTicket(this.node, stamp, id), owner: this.node, id, order, tokens, deadline, body },
      ...{
        arrival: this.now,
        endsAlone,
        triesLeft,
        triesSpent,
        runner: undefined,
        fence: undefined,
        pauses: [],
      },
    };
    this.requests.set(`${this.node}|${id}`, request);
    this.enqueue(request);
    return request;
  }

  claim(bounds: Bounds): wire.ClaimAnswer {
    this.endOverdue(ENDED_BY_CLAIM);
    const picking = pick(this, bounds);
    const claims = picking.picks.map(({ request, bodied }): wire.ClaimedTicket => {
      this.hold(request, this.node);
      const fence = this.nextTick();
      request.fence = fence;
      const { ticket, triesLeft, triesSpent, body } = request;
      return {
        ticket,
        fence,
        triesLeft,
        triesSpent,
        arrival: arrivalOf(request),
        // each runner has its own
        ...(bodied ? { body: copyOf(body) } : {}),
      };
    });
    const silences = picking.picks.map(({ request }) =>
      request.endsAlone ? this.silentIn(request.owner) : Infinity,
    );
    const keeps = bounds.limit > 0 && this.standingKept()?.runner === this.node;
    const status = claims.length > 0 ? 'OK' : keeps ? 'KEEPING' : picking.notNow > 0 ? 'BLOCKED' : 'IDLE';
    const next = this.rules.policy === 'oldest' ? picking.reached + 1 : -1;
    const askOn = picking.spent && claims.length === 0 ? (picking.removed ? bounds.askOn : next) : -1;
    const stealIn = askOn >= 0 ? -1 : this.rest(status, bounds, picking);
    const againMs = Math.min(stealIn < 0 ? Infinity : stealIn, picking.freeIn);
    return {
      ...{ status, claims, on: NO_TICK, remembered: false },
      ...(againMs < Infinity ? { againMs } : {}),
      ...this.due(Math.min(...silences)),
      ...(askOn >= 0 ? { askOn } : {}),
    };
  }

  /** @param ttl ms */
  pushBack(claims: readonly GivenBack[], ttl: number): void {
    const back: Request[] = [];
    for (const one of claims) {
      const request = this.holding(one.ticket, one.fence);
      if (!request) continue;
      const [, , after, elsewhere, counted, reason] = givenBackArguments([one]);
      if (counted === '1' && !this.loseTry(request, `lost it or gave it up: ${reason!}`, true)) continue;
      this.release(request);
      const how = { after: after === '' ? ('' as const) : Number(after), elsewhere: elsewhere === '1' };
      const isPaused = pause(request, this.node, this.now, how);
      if (isPaused && request.owner === this.node) this.keepsNone(this.node, ttl);
      back.push(request);
    }
    this.ringFor(back, this.node);
  }

  /** A call's finals follow its chunks. Nothing is lost here, so each is checked by itself. @param maxBytes of chunks of one owner */
  putResults(items: readonly MemoryResult[], maxResults: number, maxBytes: number): wire.ResultAnswer[] {
    const finals: (() => void)[] = [];
    const answers = items.map((item): wire.ResultAnswer => {
      const { number, kind, bare } = item;
      const { ticket, fence } = item.claim;
      const request = this.holding(ticket, fence);
      if (!request) return 'LOST';
      const { owner } = request;
      // the caller delivers its own results by itself
      const isOwn = owner === this.node;
      const result = { ticket, fence, number, kind, payload: copyOf(item.payload) };
      const story = storyOf(request);
      const untaken = this.mailboxes.untaken(owner);
      const isFull = untaken.count >= maxResults || untaken.bytes >= maxBytes;
      if (kind === 'chunk' && !isOwn && isFull) {
        this.end(request, true);
        finals.push(() =>
          this.post(owner, { ...result, kind: 'failed', story, payload: Buffer.from(NO_ROOM) }),
        );
        return 'OVERFLOW';
      }
      if (kind !== 'chunk') {
        this.end(request, true);
        finals.push(() => isOwn || this.post(owner, { ...result, story, ...(bare ? { bare } : {}) }));
      } else if (!isOwn) this.post(owner, result);
      return isOwn || this.silentIn(owner) > 0 ? 'OK' : 'ORPHAN';
    });
    for (const post of finals) post();
    return answers;
  }

  takeResults(cursor: Tick, limit: number, halts: readonly wire.Halt[] = []): wire.TakenAnswer {
    for (const { ticket, fence, ms } of halts) {
      const runner = this.holding(ticket, fence)?.runner;
      if (runner !== undefined) this.peers.get(runner)?.rings?.halt(this.number, fence, Math.ceil(ms));
    }
    this.mailboxes.confirm(this.node, cursor);
    return this.mailboxes.peek(this.node, limit);
  }

  refresh<H extends wire.Held>(
    held: readonly H[],
    pending: readonly Ticket[],
    cursor: Tick,
  ): wire.RefreshAnswer<H> {
    const ends = new Map<Request, End>();
    const orphans: H[] = [];
    let silence = Infinity;
    const lost = held.filter((one) => {
      const request = this.holding(one.ticket, one.fence);
      if (!request || ends.has(request)) return true;
      const end = this.endsAs(request);
      if (end) ends.set(request, end);
      if (end?.[0] === 'expired') return true;
      const silentIn = this.silentIn(request.owner);
      if (silentIn === 0) orphans.push(one);
      else silence = Math.min(silence, silentIn);
      return end !== undefined;
    });
    const unknown = pending.filter((ticket) => !this.standing(ticket));
    this.mailboxes.confirm(this.node, cursor);
    for (const [request, [kind, reason]] of ends) this.finishTold(request, kind, reason, true);
    this.endOverdue(ENDED_BY_REFRESH);
    return { lost, orphans, unknown, more: false, ...this.due(silence) };
  }

  cancel(
    tickets: readonly Ticket[],
    final: 'cancelled' | 'expired' | 'failed',
    reason: string,
  ): wire.CancelAnswer[] {
    return tickets.map((ticket) => {
      const request = this.standing(ticket);
      if (!request) return 'ENDED';
      const was = request.runner === undefined ? 'WAITING' : 'CLAIMED';
      this.finish(request, final, reason);
      return was;
    });
  }

  reset(pending: readonly Ticket[]): wire.ResetAnswer {
    const named = pending.flatMap((ticket) => this.standing(ticket) ?? []);
    const own = named.filter(({ owner }) => owner === this.node);
    const dropped = new Set([...this.line(this.node), ...own]);
    for (const request of dropped) this.end(request);
    this.mailboxes.drop(this.node);
    return { more: false, dropped: [...dropped].map(({ ticket }) => ticket) };
  }
}
