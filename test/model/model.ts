/**
 * A shard as lua/README.md#scripts describes it: what each script answers and leaves behind. Written from it, not from the
 * Lua. Ticks are the one thing it cannot foresee: it learns them from the answers, and insists that each is later than
 * all before it.
 */
import { NO_TICK, hex, parseTicket, type Tick, type Ticket } from '../../src/base/ticket.ts';
import {
  parseResults,
  type Claim,
  type ClaimBounds,
  type ClaimsIn,
  type GiveBack,
  type Group,
  type Held,
  type PutItem,
  type ResultItem,
  type Terms,
  type Wish,
} from '../lua/wire.ts';
import type { Final } from '../lua/calls.ts';
import { byScore, type End } from '../../src/testing/in-process/lines.ts';
import { pause } from '../../src/testing/in-process/pauses.ts';
import { pick } from '../../src/testing/in-process/pick.ts';
import { ShardState, endOf, leastTokens, stampOf, type Frame, type Mail, type Request } from './state.ts';

const REAPED_BY_CLAIM = 16;
const BURIED_BY_REFRESH = 8;
const DAY = 86_400_000;
const NO_ROOM = 'its owner has no room for more results (option maxResults)';
const SEPARATORS = { put: ',', other: ' ' } as const;

export class ShardModel extends ShardState {
  /** @param observed the middles of what was accepted: their orders are not for the model to choose */
  put(
    items: readonly PutItem[],
    maxWaiting: number,
    observed: readonly string[],
    announced: ClaimsIn,
    wish: Wish,
  ): string {
    const owner = this.node;
    // a tenth of the time that the head had waited when the call came
    const retryAfter = this.retryAfter(owner);
    let full = '';
    const accepted: Request[] = [];
    const answers = items.map((item, i): string => {
      const {
        id,
        tokens = 128,
        deadline = this.ownTtl,
        headStart = 0,
        triesLeft = 3,
        triesSpent = 0,
        loss,
        body,
      } = item;
      const standing = this.requests.get(`${owner}|${id}`);
      if (full !== '') return full;
      if (standing) {
        const same = standing.body.equals(Buffer.from(body!)) ? 'same' : 'other';
        return `DUPLICATE ${stampOf(standing.ticket)} ${same}`;
      }
      if (deadline <= 0) return 'EXPIRED';
      if (this.line(owner).length >= maxWaiting) return (full = `FULL ${retryAfter}`);
      const order = (observed[i] ?? '').split(' ')[1]?.slice(0, 14) ?? NO_TICK;
      this.learn(parseInt(order, 16) + headStart * 1000);
      const until = this.now + deadline;
      const stamp = `${order}|${tokens.toString(16).padStart(8, '0')}|${until.toString(16).padStart(12, '0')}`;
      const ticket = `${owner}|${stamp}|${id}`;
      const request: Request = {
        ...{ ticket, owner, id, order: parseInt(order, 16), tokens, deadline: until, triesLeft, triesSpent },
        arrival: this.now,
        wish,
        ...{ body: Buffer.from(body!), runner: undefined, fence: undefined, due: until, pauses: [] },
        reason: '',
        endsAlone: loss === 'abort',
      };
      this.requests.set(`${owner}|${id}`, request);
      this.ends.set(ticket, 0);
      this.outlast(until);
      accepted.push(request);
      return `OK ${stamp}`;
    });
    if (accepted.length > 0) this.hasPut(owner, leastTokens(accepted).get(owner)!, announced, this.ttl);
    return answers.join(SEPARATORS.put);
  }

  /** @param observed the claims answered: their fences */
  claim(
    bounds: ClaimBounds,
    observed: readonly Claim[],
  ): {
    status: string;
    mark: Tick;
    claims: Claim[];
    again: number;
    due: number;
    on: number;
    bodies: Buffer[];
  } {
    this.visit();
    this.reap(REAPED_BY_CLAIM);
    const walk = pick(this, bounds);
    const { picks } = walk;
    const claims = picks.map(({ request, bodied }, i): Claim => {
      const fence = observed[i]?.fence ?? NO_TICK;
      this.learn(parseInt(fence, 16));
      Object.assign(request, {
        fence,
        runner: this.node,
        due: Math.min(this.now + this.rules.lease, request.deadline),
      });
      return {
        fence,
        triesLeft: request.triesLeft,
        triesSpent: request.triesSpent,
        arrival: hex(request.arrival * 1_000, 14),
        bodied,
        ticket: request.ticket,
      };
    });
    const mark = this.#mark();
    if (claims.length > 0) this.marks.set(this.node, claims.at(-1)!.fence + mark);
    const bodies = picks.filter(({ bodied }) => bodied).map(({ request }) => request.body);
    const keeps = bounds.limit > 0 && this.standingKept()?.runner === this.node;
    const status = claims.length > 0 ? 'OK' : keeps ? 'KEEPING' : walk.notNow > 0 ? 'BLOCKED' : 'IDLE';
    const next = this.rules.policy === 'oldest' ? walk.reached + 1 : -1;
    const on = walk.spent && claims.length === 0 ? (walk.removed ? bounds.askOn : next) : -1;
    const rest = on >= 0 ? -1 : this.rest(status, bounds, walk);
    const again = Math.min(rest < 0 ? Infinity : rest, walk.freeIn);
    const silences = picks.map(({ request }) =>
      request.endsAlone ? this.silentIn(request.owner) : Infinity,
    );
    const due = this.due(Math.min(...silences));
    return { status, mark, claims, again: again === Infinity ? -1 : again, due, on, bodies };
  }

  pushBack(held: readonly Held[], how: GiveBack): string {
    const reason = Buffer.from(how.reason).toString('latin1');
    const back: Request[] = [];
    const answers = held.map(({ ticket, fence }) => {
      const request = this.holding(ticket, fence);
      if (!request) return 'LOST';
      if (!how.counted) this.giveBack(request);
      else if (!this.loseTry(request, 'lost it or gave it up: ', reason)) return 'FAILED';
      if (reason !== '') request.reason = reason;
      const isPaused = pause(request, this.node, this.now, how);
      if (isPaused && request.owner === this.node) this.keepsNone(this.node, this.ttl);
      back.push(request);
      return 'OK';
    });
    for (const [owner, tokens] of leastTokens(back)) this.ring(owner, tokens, undefined, this.node);
    return answers.join(SEPARATORS.other);
  }

  #mark(): Tick {
    return this.marks.get(this.node)?.slice(0, 14) ?? NO_TICK;
  }

  /** Whether it is not known that the caller has the shard's history. */
  #isInDoubt({ last, mark }: Terms, isNew: boolean): boolean {
    const marks = isNew ? undefined : this.marks.get(this.node);
    const number = isNew ? 0 : (this.lanes.get(`${this.node}|result`)?.number ?? 0);
    const isCut = !isNew && this.taken.get(this.node)?.endsWith('*') === true;
    const [now, before] = [marks?.slice(0, 14) ?? NO_TICK, marks?.slice(14) ?? NO_TICK];
    return number !== last || (mark !== now && mark !== before) || isCut;
  }

  /** Fences of claims that were taken from the caller, up to its mark. */
  #told(mark: Tick, isNew: boolean): Tick[] {
    return isNew ? [] : (this.taken.get(this.node)?.match(/.{14}/g) ?? []).filter((fence) => fence <= mark);
  }

  /** Why frames are refused; undefined: they are taken. */
  refuses(groups: readonly Group[], maxResults: number, terms: Terms, isNew: boolean): string | undefined {
    if (groups.length === 0) return undefined;
    if (terms.mark === NO_TICK || this.#isInDoubt(terms, isNew)) return 'DOUBT';
    const told = this.#told(terms.mark, isNew);
    const isFull = groups.some(({ owner, own, chunks }) => {
      const left = chunks.filter(({ fence }) => !told.includes(fence));
      return !own && left.length > 0 && this.waitsIn(owner) + left.length > maxResults;
    });
    return isFull ? 'FULL' : undefined;
  }

  /** @param observed the answer: intros, the mark that it made, and the order of what it tells */
  putResults(
    items: readonly ResultItem[],
    groups: readonly Group[],
    maxResults: number,
    terms: Terms,
    observed: Buffer,
  ): string {
    const doubt = this.#isInDoubt(terms, false);
    const seen = parseResults(observed, groups.length);
    // those that one call took away stand in any order
    const told = doubt ? [] : inOrderOf(seen.told, this.#told(terms.mark, false));
    const posted = groups.map(({ owner, own, chunks }, i) => {
      if (own) return `k${NO_TICK}`;
      const wasSilent = (this.nodes.get(owner) ?? 0) < this.now;
      const left = chunks.filter(({ fence }) => !told.includes(fence));
      if (left.length > 0) {
        this.fill(owner, left.length);
        this.post(owner, {
          chunks: left.map(({ fence, number, payload }) => `${fence} ${number} ${String(payload)}`),
        });
      }
      return (wasSilent ? 'o' : 'k') + seen.groups[i]!.slice(1);
    });
    const words = this.#single(items, maxResults);
    const rest = (this.taken.get(this.node)?.match(/.{14}/g) ?? []).filter((fence) => fence > terms.mark);
    if (doubt || rest.length === 0) this.taken.delete(this.node);
    else this.taken.set(this.node, rest.join(''));
    if (doubt) {
      this.learn(parseInt(seen.mark, 16));
      this.marks.set(this.node, seen.mark + seen.mark);
    }
    const mark = doubt ? seen.mark : terms.mark;
    return `${hex(terms.form, 1)}${mark}${hex(told.length, 4)}${told.join('')}${posted.join('')}${words}`;
  }

  #single(items: readonly ResultItem[], maxResults: number): string {
    const silent = (owner: string): boolean => (this.nodes.get(owner) ?? 0) < this.now;
    const wasSilent = new Map(
      items.map(({ ticket }) => [parseTicket(ticket).owner, silent(parseTicket(ticket).owner)]),
    );
    const finals: (() => void)[] = [];
    const answers = items.map(({ ticket, fence, number, kind, dead, payload }) => {
      const request = this.holding(ticket, fence);
      if (!request) return 'LOST';
      const { owner } = request;
      const isRunner = request.runner === this.node;
      const [own, text] = [owner === this.node, payload.toString('latin1')];
      const accepted = !own && wasSilent.get(owner) ? 'ORPHAN' : 'OK';
      const end = kind === 'chunk' ? { runner: '', story: '' } : endOf(request);
      const mail: Mail = { ticket, fence, number, kind, ...end, payload: text };
      if (kind === 'chunk') {
        if (!own && this.waitsIn(owner) >= maxResults) {
          this.copyToDead(request, 'failed', NO_ROOM);
          this.end(request, isRunner);
          finals.push(() =>
            this.post(owner, { ...mail, kind: 'failed', ...endOf(request), payload: NO_ROOM }),
          );
          return 'OVERFLOW';
        }
        if (!own) this.fill(owner, 1);
        if (!own) this.post(owner, mail);
        return accepted;
      }
      if (kind === 'failed') this.copyToDead(request, dead ? 'undecodable' : kind, text);
      this.end(request, isRunner);
      // a call's finals follow its chunks
      if (!own) finals.push(() => this.post(owner, mail));
      return accepted;
    });
    for (const post of finals) post();
    return answers.join(SEPARATORS.other);
  }

  /**
   * @param confirmed how many entries from the front are at or before the caller's cursor; undefined: it does not stand
   * @param totals that the cursor hands back
   */
  take(confirmed: number | undefined, totals: string, limit: number): (Mail | Frame)[] {
    if (confirmed !== undefined) this.acknowledge(confirmed, totals);
    const mails = (this.mailboxes.get(this.node) ?? []).slice(0, limit);
    if (limit > 0 && mails.length === 0) this.emptied();
    return mails;
  }

  refresh(
    held: readonly Held[],
    pending: readonly Ticket[],
    confirmed: number | undefined,
    totals: string,
    reapLimit: number,
    alive: number,
  ): { lost: number[]; unknown: number[]; more: boolean; due: number; orphans: number[] } {
    this.visit();
    this.nodes.set(this.node, this.now + alive);
    const lost: number[] = [];
    const late = new Map<Request, End>();
    const orphans: number[] = [];
    let silence = Infinity;
    held.forEach(({ ticket, fence }, i) => {
      const request = this.holding(ticket, fence);
      if (!request || late.has(request)) {
        lost.push(i);
      } else if (request.deadline <= this.now) {
        lost.push(i);
        late.set(request, ['expired', '']);
      } else {
        const silentIn = this.silentIn(request.owner);
        if (silentIn === 0) orphans.push(i);
        else silence = Math.min(silence, silentIn);
        const end = this.endsAs(request);
        if (end) {
          lost.push(i);
          late.set(request, end);
        } else request.due = Math.min(this.now + this.rules.lease, request.deadline);
      }
    });
    const unknown = pending.flatMap((ticket, i) => (this.standing(ticket) ? [] : [i]));
    if (confirmed !== undefined) this.acknowledge(confirmed, totals);
    for (const [request, how] of late) this.finish(request, ...how);
    const reapedAll = this.reap(reapLimit) < reapLimit;
    const silent = [...this.nodes].filter(([, until]) => until <= this.now - this.ttl).sort(byScore);
    for (const [name] of silent.slice(0, BURIED_BY_REFRESH)) this.forget(name);
    this.outlast(this.now + (this.dead.length > 0 ? Math.max(this.ttl, DAY) : this.ttl));
    const more = !reapedAll || silent.length >= BURIED_BY_REFRESH;
    return { lost, unknown, more, due: this.due(silence), orphans };
  }

  cancel(tickets: readonly Ticket[], final: Final, reason: string): string {
    return tickets
      .map((ticket) => {
        const request = this.standing(ticket);
        if (!request) return 'ENDED';
        const was = request.runner === undefined ? 'WAITING' : 'CLAIMED';
        this.finish(request, final, reason);
        return was;
      })
      .join(SEPARATORS.other);
  }

  reset(slice: number, named: readonly Ticket[]): { more: boolean; dropped: Ticket[] } {
    const waiting = this.line(this.node).slice(0, slice);
    const own = named
      .map((ticket) => this.standing(ticket))
      .filter((request) => request?.owner === this.node);
    const all = [...new Set([...waiting, ...own])] as Request[];
    for (const request of all) this.end(request);
    const left = (this.mailboxes.get(this.node)?.length ?? 0) > slice;
    this.confirm(slice);
    if (!left) this.emptied();
    return { more: waiting.length === slice || left, dropped: all.map(({ ticket }) => ticket) };
  }
}

/** Those of `all`, in the order of `seen` as far as they are there. */
function inOrderOf(seen: readonly Tick[], all: readonly Tick[]): Tick[] {
  return [...new Set(seen)]
    .filter((one) => all.includes(one))
    .concat(all.filter((one) => !seen.includes(one)));
}
