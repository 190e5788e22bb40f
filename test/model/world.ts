/** Nodes that act on one real shard and on its model, step by step, knowing what a client process knows. */
import { deepStrictEqual, ok } from 'node:assert/strict';
import type { Argument } from '../../src/redis/run-script.ts';
import { NO_TICK, laterTick, parseTicket, type Ticket } from '../../src/base/ticket.ts';
import { SeenTicks } from '../../src/protocol/seen-ticks.ts';
import {
  claimArgs,
  headOf,
  isFrame,
  parseClaims,
  parseMail,
  parseResults,
  parseTickets,
  putArgs,
  pushBackArgs,
  refreshArgs,
  resultArgs,
  type ClaimBounds,
  type ClaimsIn,
  type GiveBack,
  type Group,
  type Held,
  type PutItem,
  type ResultItem,
  type ShardScript,
  type Wish,
} from '../lua/wire.ts';
import type { Final } from '../lua/calls.ts';
import { mailOf } from './tables.ts';
import { Twin, type Call, type Lane, type Life } from './twin.ts';

const MAX_REMEMBERED_CALLS = 12;
const MOST_DRAINING_CALLS = 2_000;

export class World extends Twin {
  readonly lives: Life[] = [];
  /** Every claim ever made: a zombie may name any of them. */
  readonly claims: Held[] = [];
  readonly tickets: Ticket[] = [];
  readonly #epochs = new Map<string, number>();
  #begun = 0;

  /** A node begins, or begins again with a higher epoch; its earlier life goes on as a zombie until it is fenced. */
  begin(node: string): void {
    const epoch = (this.#epochs.get(node) ?? 0) + 1;
    this.#epochs.set(node, epoch);
    const fresh = {
      lanes: { put: 0, claim: 0, result: 0 },
      seen: new SeenTicks(),
      cursor: NO_TICK,
      mark: NO_TICK,
      last: 0,
    };
    const { ttls } = this.model.rules;
    const ttl = ttls[this.#begun++ % ttls.length]!;
    this.lives.push({ node, epoch, ttl, ...fresh, held: [], pending: [], told: new Set(), calls: [] });
  }

  async put(
    life: Life,
    items: readonly PutItem[],
    maxWaiting: number,
    claimsIn: ClaimsIn,
    wish: Wish,
  ): Promise<void> {
    const reply = await this.#call(
      'put_requests',
      life,
      'put',
      putArgs(maxWaiting, items, claimsIn, wish),
      (model, [, , answer]) => [model.put(items, maxWaiting, String(answer).split(','), claimsIn, wish)],
    );
    if (!reply) return;
    String(reply[2])
      .split(',')
      .forEach((answer, i) => {
        if (!answer.startsWith('OK')) return;
        const ticket = `${life.node}|${answer.slice(3)}|${items[i]!.id}`;
        life.pending.push(ticket);
        this.tickets.push(ticket);
      });
  }

  async claim(life: Life, bounds: ClaimBounds): Promise<void> {
    const reply = await this.#call('claim', life, 'claim', claimArgs(bounds), (model, real) => {
      const observed = parseClaims(real[2]!);
      const { status, mark, claims, again, due, on, bodies } = model.claim(bounds, observed);
      deepStrictEqual({ status: String(real[0]), claims: observed }, { status, claims });
      deepStrictEqual(real[2]!.toString('latin1', 0, 14), mark);
      const answer = real[2]!.toString('latin1');
      const rest = [again, due, on].map(String);
      return [answer, ...rest, ...bodies.map((body) => body.toString('latin1'))];
    });
    if (!reply) return;
    const claims = parseClaims(reply[2]!).map(({ ticket, fence }) => ({ ticket, fence }));
    life.held.push(...claims);
    if (claims.length > 0) life.mark = laterTick(life.mark, claims.at(-1)!.fence);
    this.claims.push(...claims);
  }

  async pushBack(life: Life, held: readonly Held[], how: GiveBack): Promise<void> {
    const args = pushBackArgs(held, how);
    await this.#call('push_back', life, undefined, args, (model) => [model.pushBack(held, how)]);
    life.held = life.held.filter((one) => !held.includes(one));
  }

  async putResults(
    life: Life,
    items: readonly ResultItem[],
    groups: readonly Group[],
    maxResults: number,
    form: number,
  ): Promise<void> {
    const terms = { form, last: life.last, mark: life.mark };
    const args = resultArgs({ maxResults, maxBytes: 2 ** 26 }, terms, items, groups);
    const number = life.lanes.result + 1;
    const reply = await this.#call(
      'put_results',
      life,
      'result',
      args,
      (model, real) => [model.putResults(items, groups, maxResults, terms, real[2]!)],
      (model, isNew) => model.refuses(groups, maxResults, terms, isNew),
    );
    if (!reply) return;
    const { mark, told, words } = parseResults(reply[2]!, groups.length);
    [life.mark, life.last] = [laterTick(life.mark, mark), number];
    life.held = life.held.filter(({ fence }) => !told.includes(fence));
    words
      .split(' ')
      .filter(Boolean)
      .forEach((answer, i) => {
        const { ticket, fence, kind } = items[i]!;
        if (answer === 'LOST' || answer === 'OVERFLOW' || kind !== 'chunk') {
          life.held = life.held.filter((one) => one.fence !== fence);
        }
        if (answer !== 'LOST' && kind !== 'chunk' && parseTicket(ticket).owner === life.node)
          this.#tell(life, ticket);
      });
  }

  async take(life: Life, limit: number): Promise<void> {
    const { cursor } = life;
    const args = [cursor === NO_TICK ? '' : cursor, String(limit), '262144'];
    const reply = await this.#call(
      'take_results',
      life,
      undefined,
      args,
      (model, [status, , more, ...members]) => {
        const confirmed = this.confirmed(life.node, cursor);
        deepStrictEqual(String(status), confirmed === undefined ? 'BOX' : 'OK');
        const mails = model.take(confirmed, cursor.slice(14), limit);
        deepStrictEqual(members.map(mailOf), mails);
        const left = model.mailboxes.get(life.node)?.length ?? 0;
        // it may say that there is more when it just met its bound
        ok(left <= mails.length || String(more) === '1', 'there is more');
        return [String(more), ...members.map((member) => member.toString('latin1'))];
      },
    );
    if (reply && String(reply[0]) === 'BOX') life.cursor = NO_TICK;
    for (const member of reply?.slice(3) ?? []) this.#receive(life, member);
  }

  async refresh(
    life: Life,
    held: readonly Held[],
    pending: readonly Ticket[],
    reapLimit: number,
    alive = 30_000,
  ): Promise<void> {
    const { cursor } = life;
    const args = refreshArgs(reapLimit, cursor === NO_TICK ? '' : cursor, held, pending, alive);
    const reply = await this.#call('refresh', life, undefined, args, (model) => {
      const { lost, unknown, more, due, orphans } = model.refresh(
        held,
        pending,
        this.confirmed(life.node, cursor),
        cursor.slice(14),
        reapLimit,
        alive,
      );
      const answer = [lost.join(' '), unknown.join(' '), more ? '1' : '0', String(due)];
      return orphans.length > 0 ? [...answer, orphans.join(' ')] : answer;
    });
    if (!reply) return;
    const lost = String(reply[2])
      .split(' ')
      .filter(Boolean)
      .map((i) => held[Number(i)]);
    life.held = life.held.filter((one) => !lost.includes(one));
  }

  async cancel(life: Life, tickets: readonly Ticket[], final: Final): Promise<void> {
    const reason = final === 'failed' ? 'unread' : '';
    const args = [final, reason, ...tickets];
    await this.#call('cancel', life, undefined, args, (model) => [model.cancel(tickets, final, reason)]);
  }

  async reset(life: Life, slice: number, named: readonly Ticket[]): Promise<void> {
    const reply = await this.#call('reset', life, 'put', [String(slice), ...named], (model) => {
      const { more, dropped } = model.reset(slice, named);
      const lengths = dropped.map((ticket) => Buffer.byteLength(ticket).toString(16).padStart(4, '0'));
      const answer = (more ? '1' : '0') + dropped.map((ticket, i) => lengths[i]! + ticket).join('');
      return [Buffer.from(answer).toString('latin1')];
    });
    if (!reply) return;
    for (const ticket of parseTickets(reply[2]!, 1)) this.#tell(life, ticket);
  }

  /** One of a life's last calls once more, whatever has happened since. */
  async resend(life: Life, back: number): Promise<void> {
    const call = life.calls.at(-1 - (back % Math.max(1, life.calls.length)));
    if (call) await this.send(call);
  }

  /** Everything runs out: each accepted request has then ended exactly once, and nothing is left but who was there. */
  async drain(): Promise<void> {
    this.begin('drain');
    const life = this.lives.at(-1)!;
    let calls = 0;
    const count = (): void => ok((calls += 1) < MOST_DRAINING_CALLS, `still not empty after ${calls} calls`);
    for (const jump of [200_000, 1, 200_000]) {
      this.pass(jump);
      for (let more = true; more;) {
        count();
        await this.refresh(life, [], [], 64);
        more = this.model.overdue(this.now) > 0;
      }
    }
    for (const one of this.lives) {
      for (let left = 1; left > 0; left = this.model.mailboxes.get(one.node)?.length ?? 0) {
        count();
        await this.take(one, 64);
        if ((this.model.epochs.get(one.node) ?? 0) > one.epoch) break;
      }
    }
    for (const [ticket, ends] of this.model.ends)
      if (ends !== 1) throw new Error(`${ticket} ended ${ends} times`);
    const { waiting, head, load, request, body, due } = await this.snapshot();
    deepStrictEqual(
      [waiting.length, head.size, load.size, request.size, body.size, due.size],
      [0, 0, 0, 0, 0, 0],
    );
  }

  async #call(
    script: ShardScript,
    life: Life,
    lane: Lane | undefined,
    own: Argument[],
    foresee: Call['foresee'],
    refuse?: Call['refuse'],
  ): Promise<Buffer[] | undefined> {
    const number = lane === undefined ? 0 : (life.lanes[lane] += 1);
    const call: Call = {
      script,
      life,
      number,
      own,
      foresee,
      ...(lane ? { lane } : {}),
      ...(refuse ? { refuse } : {}),
    };
    life.calls.push(call);
    life.calls.splice(0, life.calls.length - MAX_REMEMBERED_CALLS);
    const reply = await this.send(call);
    return reply.length > 2 ? reply : undefined;
  }

  /** A life takes each result once: those beyond its cursor are new to it. */
  #receive(life: Life, member: Buffer): void {
    const { tick, totals } = headOf(member);
    ok(tick > life.cursor, 'a result comes once');
    life.cursor = tick + (totals ?? life.cursor.slice(14));
    if (isFrame(member)) return;
    const { ticket, kind } = parseMail(member);
    if (kind !== 'chunk') this.#tell(life, ticket);
  }

  #tell(life: Life, ticket: Ticket): void {
    ok(!life.told.has(ticket), `${ticket} ended twice for its owner`);
    life.told.add(ticket);
    life.pending = life.pending.filter((one) => one !== ticket);
  }
}
