// One shard in memory and the model that test/model compares with the scripts: each call goes to both, and what they answer and
// leave behind is compared.
import { deepStrictEqual } from 'node:assert/strict';
import { NO_TICK, type Ticket } from '../../src/base/ticket.ts';
import type { Mail, PutItem as WirePutItem, ResultItem as WireResultItem } from '../../src/protocol/wire.ts';
import { MemoryShard } from '../../src/testing/in-process/memory-shard.ts';
import { NODES, type Action } from '../model/actions.ts';
import { ShardModel } from '../model/model.ts';
import { stampOf, type Rules } from '../model/state.ts';
import {
  hexOf,
  parseResults,
  type ClaimBounds,
  type Held,
  type PutItem,
  type ResultItem,
} from '../lua/wire.ts';

/** No claim of a shard in memory ends by time, and no node is forgotten. */
const NEVER_MS = 1e12;
const START = 1_700_000_000_000;
/** Of a request without a deadline. */
const DEADLINE_MS = 120_000;
/** Bytes. */
const NEVER_FULL = 1e12;
/** There are no dead letters. */
const NO_WISH = { dead: 'lost', deadBytes: 0 } as const;
const REAP = 128;
const SLICE = 10_000;

interface Life {
  node: string;
  held: Held[];
  pending: Ticket[];
  cursor: string;
  /** How many results the cursor covers that are still in the mailbox, and what the last of them says of the counts. */
  taken: number;
  totals: string;
}

export class ShardTwin {
  now = START;
  steps = 0;
  readonly memory: MemoryShard;
  readonly model: ShardModel;
  readonly #rules: Rules;
  readonly #lives: Life[];
  readonly #claims: Held[] = [];
  readonly #tickets: Ticket[] = [];
  #number = 0;

  constructor(rules: Rules, nodes: number) {
    this.#rules = { ...rules, lease: NEVER_MS };
    this.model = new ShardModel(this.#rules);
    // none listens, and which of them live the model has in a table
    const peers = { get: () => undefined, aliveUntil: (name: string) => this.model.nodes.get(name) };
    this.memory = new MemoryShard(0, peers, () => this.now);
    this.#lives = NODES.slice(0, nodes).map((node) => ({
      ...{ node, held: [], pending: [], cursor: NO_TICK, taken: 0, totals: '' },
    }));
  }

  /** Does what an action says, as far as a shard in memory knows it. */
  act(one: Action): void {
    if (one.do === 'time') {
      // its clock never runs back
      this.now += Math.max(0, one.jump);
      return;
    }
    const life = this.#lives[one.who % this.#lives.length]!;
    this.#enter(life);
    const known = this.#do(life, one);
    if (!known) return;
    this.steps += 1;
    deepStrictEqual({ did: one, ...tablesOf(this.memory) }, { did: one, ...tablesOf(this.model) });
  }

  #enter({ node }: Life): void {
    const { policy, minLoad, loadUnit, stealAfter } = this.#rules;
    const rules = { policy, minLoad, loadUnit, stealAfter };
    this.memory.enter({ name: node, epoch: hexOf(1, 14), rules });
    this.model.enter({ node, epoch: 1, ttl: NEVER_MS }, this.now, 'put', (this.#number += 1));
  }

  #do(life: Life, one: Exclude<Action, { do: 'time' }>): boolean {
    switch (one.do) {
      case 'put':
        this.#put(life, one.items, one.full, one.claimsIn);
        return true;
      case 'flood': {
        const { count, deadline } = one;
        const items = Array.from({ length: count }, (_, i) => ({
          id: `f${i}`,
          deadline,
          body: Buffer.from('f'),
        }));
        this.#put(life, items, 100, undefined);
        return true;
      }
      case 'claim': {
        this.#claim(life, { ...one, since: one.own ? NO_TICK : hexOf(this.now * 1000, 14) });
        return true;
      }
      case 'pushBack': {
        const held = chosen(one.any ? this.#claims : life.held, one.which);
        const { after, elsewhere, counted: countTry, reason } = one.how;
        const how = { ...(after === '' ? {} : { afterMs: after }), elsewhere, countTry, reason };
        this.memory.pushBack(
          held.map((each) => ({ ...each, how })),
          NEVER_MS,
        );
        this.model.pushBack(held, one.how);
        life.held = life.held.filter((each) => !held.includes(each));
        return true;
      }
      case 'putResults':
        this.#putResults(life, one);
        return true;
      case 'take': {
        const { mails } = this.memory.takeResults(life.cursor, one.limit);
        deepStrictEqual(
          (mails as Mail[]).map(plainMail),
          this.model.take(life.taken, life.totals, one.limit),
        );
        [life.cursor, life.taken] = [mails.at(-1)?.tick ?? life.cursor, mails.length];
        life.totals = this.#totals(life.node, mails.length);
        return true;
      }
      case 'refresh':
        this.#refresh(life, chosen(life.held, one.leave));
        return true;
      case 'cancel': {
        const tickets = chosen(this.#tickets, one.which);
        const answers = this.memory.cancel(tickets, one.final, 'why');
        deepStrictEqual(answers.join(' '), this.model.cancel(tickets, one.final, 'why'));
        return true;
      }
      case 'reset': {
        const named = chosen(this.#tickets, one.which);
        deepStrictEqual(this.memory.reset(named), this.model.reset(SLICE, named));
        life.taken = 0;
        return true;
      }
      case 'die':
        // until its next refresh
        this.model.nodes.set(life.node, this.now - 1);
        return true;
      default:
        return false;
    }
  }

  /** What the entry at this place of a mailbox says of the chunks up to it. */
  #totals(node: string, place: number): string {
    const box = this.model.boxes.get(node);
    const behind = (this.model.mailboxes.get(node) ?? []).slice(place);
    const chunks = behind.filter((mail) => 'kind' in mail && mail.kind === 'chunk').length;
    return box ? box.id + hexOf(box.put - chunks, 14) : '';
  }

  #put(
    life: Life,
    items: readonly (Omit<PutItem, 'deadline'> & { deadline?: number | undefined })[],
    maxWaiting: number,
    announced: number | 'never' | undefined,
  ): void {
    const wished = items.map((item): WirePutItem => {
      const {
        id,
        tokens = 128,
        deadline = DEADLINE_MS,
        headStart = 0,
        triesLeft = 3,
        triesSpent = 0,
        body,
      } = item;
      const rest = {
        ...{ promptTokens: tokens, deadlineMs: deadline, headStartMs: headStart },
        ...{ onOwnerLoss: item.loss ?? 'finish' },
      };
      return { id, ...rest, triesLeft, triesSpent, payload: body as Buffer };
    });
    const answers = this.memory.put(wished, maxWaiting, NEVER_MS, announced);
    const told = answers.map((answer) => {
      if (answer.status === 'OK') return `OK ${stampOf(answer.ticket)}`;
      if (answer.status === 'FULL') return `FULL ${answer.retryAfterMs}`;
      if (answer.status === 'EXPIRED') return 'EXPIRED';
      return `DUPLICATE ${stampOf(answer.ticket)} ${answer.same ? 'same' : 'other'}`;
    });
    const plain = items.map(({ deadline = DEADLINE_MS, ...item }) => ({ ...item, deadline }));
    deepStrictEqual(told.join(','), this.model.put(plain, maxWaiting, told, announced, NO_WISH));
    const tickets = answers.flatMap((answer) => (answer.status === 'OK' ? [answer.ticket] : []));
    life.pending.push(...tickets);
    this.#tickets.push(...tickets);
  }

  #claim(life: Life, bounds: ClaimBounds): void {
    const { status, claims, againMs = -1, dueMs = -1, askOn = -1 } = this.memory.claim(bounds);
    const told = claims.map(({ body, ...claim }) => ({ ...claim, bodied: body !== undefined }));
    const bodies = claims.flatMap(({ body }) => body ?? []);
    // nothing is lost in memory, so no claim is ever in doubt
    const foreseen = this.model.claim(bounds, told);
    const { mark } = foreseen;
    deepStrictEqual({ status, mark, claims: told, again: againMs, on: askOn, bodies, due: dueMs }, foreseen);
    const held = claims.map(({ ticket, fence }) => ({ ticket, fence }));
    life.held.push(...held);
    this.#claims.push(...held);
  }

  #putResults(life: Life, { any, which, kinds, dead, full }: Action & { do: 'putResults' }): void {
    const from = any ? this.#claims : life.held;
    if (from.length === 0) return;
    const items = which.map((n, i) => ({
      ...from[n % from.length]!,
      ...{ number: i + 1, kind: kinds[i] as WireResultItem['kind'], dead, payload: Buffer.from(`r${i}`) },
    }));
    const answers = this.memory.putResults(
      items.map(({ ticket, fence, ...result }) => ({ ...result, claim: { ticket, fence } })),
      full,
      NEVER_FULL,
    );
    deepStrictEqual(answers.join(' '), this.#foreseen(items, full));
  }

  /** What each result is answered, all of them one by one. */
  #foreseen(items: readonly ResultItem[], full: number): string {
    const { marks, node, lanes } = this.model;
    const mark = marks.get(node)?.slice(0, 14) ?? NO_TICK;
    const terms = { form: 0, last: lanes.get(`${node}|result`)?.number ?? 0, mark };
    const answer = this.model.putResults(items, [], full, terms, Buffer.from(`0${mark}0000`));
    return parseResults(Buffer.from(answer), 0).words;
  }

  #refresh(life: Life, left: readonly Held[]): void {
    const held = life.held.filter((each) => !left.includes(each));
    const { lost, orphans, unknown, dueMs = -1 } = this.memory.refresh(held, life.pending, life.cursor);
    const foreseen = this.model.refresh(held, life.pending, life.taken, life.totals, REAP, NEVER_MS);
    deepStrictEqual(
      { lost, orphans, unknown, dueMs },
      {
        lost: foreseen.lost.map((i) => held[i]!),
        orphans: foreseen.orphans.map((i) => held[i]!),
        unknown: foreseen.unknown.map((i) => life.pending[i]!),
        dueMs: foreseen.due,
      },
    );
    life.taken = 0;
    life.held = held.filter((each) => !lost.includes(each));
  }
}

/** What waits, who is idle, what is kept and noted. */
function tablesOf(shard: MemoryShard | ShardModel): Record<string, unknown> {
  const { requests, idle, rooms, asks, fronts, now } = shard;
  return {
    ...{ idle: sorted(idle), rooms: sorted(rooms), asks: sorted(asks), fronts, now },
    kept: shard.standingKept(),
    heads: sorted(shard.heads()),
    loads: sorted(shard.loads()),
    requests: sorted(
      [...requests].map(([key, { ticket, order, arrival, triesLeft, triesSpent, runner, fence, pauses }]) => [
        key,
        { ticket, order, arrival, triesLeft, triesSpent, runner, fence, pauses },
      ]),
    ),
  };
}

function sorted<T>(entries: Iterable<readonly [string, T]>): (readonly [string, T])[] {
  return [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
}

function plainMail({ ticket, fence, number, kind, story, payload }: Mail): Record<string, unknown> {
  const { triesSpent = 0, arrival = '', claimedAt = '', runner = '' } = story ?? {};
  const told = story ? `${hexOf(triesSpent, 2)} ${arrival} ${claimedAt}` : '';
  return { ticket, fence, number, kind, runner, story: told, payload: payload.toString('latin1') };
}

/** Those of `all` that the numbers name, each once. */
function chosen<T>(all: readonly T[], numbers: readonly number[]): T[] {
  return all.length === 0 ? [] : [...new Set(numbers.map((n) => all[n % all.length]!))];
}
