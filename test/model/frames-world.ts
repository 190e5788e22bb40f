/**
 * Runners and owners that send and read frames by the rules of lua/README.md#frames, on real shards, with calls that are lost,
 * doubled and late, and with a Redis that loses data and steps its clock back. What is checked of each call with results:
 * exactly those chunks are accepted whose claims were held before it.
 */
import { ok } from 'node:assert/strict';
import { hex, NO_TICK, parseTicket, type Tick, type Ticket } from '../../src/base/ticket.ts';
import { SHARD_TABLES, shardKey, shardKeys, wakePrefix } from '../../src/base/keys.ts';
import { parseRecord } from '../../src/inspect/decode.ts';
import { checkInvariants } from '../../src/inspect/invariants.ts';
import { readSnapshot, type ShardSnapshot } from '../../src/inspect/snapshot.ts';
import { SeenTicks } from '../../src/protocol/seen-ticks.ts';
import { runScript, type Argument, type Client } from '../../src/redis/run-script.ts';
import { START } from '../lua/view.ts';
import {
  callerArgs,
  claimArgs,
  isFrame,
  parseClaims,
  parseFrameMail,
  parseMail,
  parseResults,
  pushBackArgs,
  putArgs,
  refreshArgs,
  resultArgs,
  type FrameChunk,
  type Group,
  type ResultItem,
  type ShardScript,
} from '../lua/wire.ts';

const LEASE = 30_000;
const TTL = 900_000;
const WIDE = 2 ** 31;

/** Numbers from 0 to 1 by a seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Claim {
  ticket: Ticket;
  fence: Tick;
  owner: string;
  number: number;
  vouched: boolean;
  /** Under which it was introduced to its owner; empty: it was not. */
  intro: Tick;
  ending: boolean;
}

interface Chunk {
  claim: Claim;
  number: number;
}

interface Final extends Chunk {
  kind: 'finished' | 'failed';
}

/** One form of a call with results: what its groups and single results are of. */
interface Layout {
  fast: Map<string, (Chunk & { introduces: boolean })[]>;
  single: (Chunk | Final)[];
}

/** A call on its way. */
interface Message {
  process: Process;
  script: ShardScript;
  own: Argument[];
  lane?: 'claim' | 'result' | 'put';
  number: number;
  epoch: number;
  seen?: Tick;
  /** Of a call with results. */
  layouts?: Layout[];
  answered: (reply: readonly Buffer[]) => void;
  /** It goes out again under this number. */
  again?: () => void;
  isCopy?: boolean;
}

const payloadOf = (shard: number, { claim, number }: Chunk): string =>
  `${shard}#${claim.ticket}#${claim.fence}#${number}`;

/** One process of a node, in one shard: runner and owner. */
export class Process {
  readonly world: FramesWorld;
  readonly shard: number;
  readonly node: string;
  epoch: number;
  readonly seen = new SeenTicks();
  isOver = false;
  readonly claims = new Map<Tick, Claim>();
  mark: Tick = NO_TICK;
  readonly #intros = new Map<string, Tick>();
  readonly #lanes = {
    put: { number: 0, flies: false },
    claim: { number: 0, flies: false },
    result: { number: 0, flies: false },
  };
  #last = 0;
  // as an owner
  #cursor = NO_TICK;
  #takes = false;
  readonly tickets: Ticket[] = [];
  readonly #ticketOf = new Map<Tick, Ticket>();
  readonly #held = new Map<Tick, FrameChunk[]>();
  readonly #had = new Map<Ticket, { fence: Tick; number: number }>();
  /** Entries behind the cursor that wake-ups carried, and that were dealt with. */
  readonly #early = new Set<Tick>();

  constructor(world: FramesWorld, shard: number, node: string) {
    [this.world, this.shard, this.node] = [world, shard, node];
    this.epoch = world.nextEpoch(node);
  }

  /** The registry says that the name is still its own: it goes on under a higher epoch, with numbers from 1. */
  contest(): void {
    this.epoch = this.world.nextEpoch(this.node);
    for (const lane of Object.values(this.#lanes)) lane.number = 0;
    this.#last = 0;
  }

  /** After STALE. */
  goesOnFrom(lane: 'claim' | 'result' | 'put', number: number): void {
    this.#lanes[lane].number = number;
  }

  put(ids: readonly string[]): void {
    if (this.#lanes.put.flies) return;
    const items = ids.map((id) => ({ id, body: id, triesLeft: 5 }));
    this.#onLane('put_requests', 'put', putArgs(100, items), (reply) => {
      String(reply[2])
        .split(',')
        .forEach((answer, i) => {
          if (!answer.startsWith('OK')) return;
          this.tickets.push(`${this.node}|${answer.slice(3)}|${ids[i]!}`);
        });
    });
  }

  claim(limit: number): void {
    if (this.#lanes.claim.flies) return;
    const args = claimArgs({
      ...{ limit, alone: WIDE, sum: WIDE, total: WIDE, bytes: 262_144, since: '0'.repeat(14), idleFor: 100 },
      ...{ entropy: 1, patience: 2_000, keepFor: 0, askOn: 0, elsewhere: -1 },
    });
    this.#onLane('claim', 'claim', args, (reply) => {
      const on = reply[2]!.toString('latin1', 0, 14);
      const isKnown = on === this.mark;
      if (!isKnown) this.#doubtAll();
      for (const { ticket, fence } of parseClaims(reply[2]!)) {
        if (fence > this.mark) this.mark = fence;
        const { owner } = parseTicket(ticket);
        this.claims.set(fence, {
          ticket,
          fence,
          owner,
          number: 0,
          vouched: isKnown,
          intro: '',
          ending: false,
        });
      }
    });
  }

  /** Some chunks of what it holds, and now and then an end. */
  results(): void {
    const { random } = this.world;
    if (this.#lanes.result.flies) return;
    const chunks: Chunk[] = [];
    const finals: Final[] = [];
    for (const claim of this.claims.values()) {
      if (claim.ending) continue;
      for (let left = Math.floor(random() * 3); left > 0; left -= 1)
        chunks.push({ claim, number: (claim.number += 1) });
      if (random() < 0.1) {
        claim.ending = true;
        finals.push({ claim, number: (claim.number += 1), kind: random() < 0.8 ? 'finished' : 'failed' });
      }
    }
    if (chunks.length + finals.length === 0) return;
    this.#lanes.result.number += 1;
    this.#fly(chunks, finals, false, []);
  }

  #fly(chunks: readonly Chunk[], finals: readonly Final[], isExact: boolean, layouts: Layout[]): void {
    const layout: Layout = { fast: new Map(), single: [] };
    for (const chunk of chunks) {
      const { claim } = chunk;
      if (isExact || !claim.vouched || this.claims.get(claim.fence) !== claim) {
        layout.single.push(chunk);
        continue;
      }
      const group = layout.fast.get(claim.owner) ?? [];
      layout.fast.set(claim.owner, group);
      const known = this.#intros.get(claim.owner) ?? NO_TICK;
      const isFirst = !group.some((other) => other.claim === claim);
      group.push({ ...chunk, introduces: isFirst && (claim.intro === '' || claim.intro !== known) });
    }
    layout.single.push(...finals);
    layouts.push(layout);
    const sentMark = this.mark;
    const groups = [...layout.fast].map(([owner, list]): Group => ({
      owner,
      own: owner === this.node,
      intro: this.#intros.get(owner) ?? NO_TICK,
      chunks: list.map((chunk): FrameChunk => ({
        fence: chunk.claim.fence,
        number: chunk.number,
        payload: payloadOf(this.shard, chunk),
        ...(chunk.introduces ? { ticket: chunk.claim.ticket } : {}),
      })),
    }));
    const items = layout.single.map((one): ResultItem => ({
      ticket: one.claim.ticket,
      fence: one.claim.fence,
      number: one.number,
      kind: 'kind' in one ? one.kind : 'chunk',
      payload: payloadOf(this.shard, one),
    }));
    const bounds = { maxResults: this.world.most, maxBytes: WIDE };
    const terms = { form: layouts.length - 1, last: this.#last, mark: this.mark };
    const number = this.#lanes.result.number;
    this.#lanes.result.flies = true;
    this.world.send({
      ...{
        process: this,
        script: 'put_results',
        own: resultArgs(bounds, terms, items, groups),
        layouts: [...layouts],
      },
      ...{ lane: 'result', number, epoch: this.epoch },
      again: () => {
        this.#lanes.result.number += 1;
        this.#fly(chunks, finals, false, []);
      },
      answered: (reply) => {
        const status = String(reply[0]);
        if (status !== 'OK') {
          const isFast = status === 'DOUBT' && this.mark !== sentMark && layouts.length === 1;
          if (status === 'DOUBT' && !isFast) this.#doubtAll();
          this.#fly(chunks, finals, !isFast, layouts);
          return;
        }
        this.#lanes.result.flies = false;
        this.#last = number;
        this.#learn(reply, layouts, sentMark);
      },
    });
  }

  #learn(reply: readonly Buffer[], layouts: readonly Layout[], sentMark: Tick): void {
    const form = parseInt(reply[2]!.toString('latin1', 0, 1), 16);
    const { fast, single } = layouts[form]!;
    const { mark, told, groups, words } = parseResults(reply[2]!, fast.size);
    if (mark !== sentMark) this.#doubtAll();
    if (mark > this.mark) this.mark = mark;
    for (const fence of told) this.claims.delete(fence);
    [...fast].forEach(([owner, list], i) => {
      const intro = groups[i]!.slice(1);
      this.#intros.set(owner, intro);
      for (const { claim, introduces } of list) if (introduces) claim.intro = intro;
    });
    const answers = words === '' ? [] : words.split(' ');
    single.forEach((one, i) => {
      const isAccepted = answers[i] === 'OK' || answers[i] === 'ORPHAN';
      if (!isAccepted || 'kind' in one) this.claims.delete(one.claim.fence);
      else one.claim.vouched = true;
    });
  }

  #doubtAll(): void {
    for (const claim of this.claims.values()) claim.vouched = false;
  }

  giveBack(): void {
    const claim = [...this.claims.values()].find(({ ending }) => !ending);
    if (!claim) return;
    this.claims.delete(claim.fence);
    this.#freely('push_back', pushBackArgs([claim]));
  }

  cancel(isReset: boolean): void {
    const ticket = this.tickets[Math.floor(this.world.random() * this.tickets.length)];
    if (ticket === undefined || this.#lanes.put.flies) return;
    if (isReset) this.#onLane('reset', 'put', ['100', ticket], () => undefined);
    else this.#freely('cancel', ['cancelled', '', ticket]);
  }

  refresh(): void {
    const held = [...this.claims.values()].filter(({ ending }) => !ending);
    this.#freely('refresh', refreshArgs(100, this.#cursorArgument(), held, [], 10 * TTL), (reply) => {
      for (const i of String(reply[2]).split(' ').filter(Boolean)) this.claims.delete(held[Number(i)]!.fence);
    });
  }

  take(): void {
    if (this.#takes) return;
    this.#takes = true;
    const limit = String(1 + Math.floor(this.world.random() * 8));
    this.#freely('take_results', [this.#cursorArgument(), limit, '262144'], (reply) => {
      this.#takes = false;
      if (String(reply[0]) === 'BOX') this.#cursor = NO_TICK;
      for (const entry of reply.slice(3)) this.#receive(entry);
    });
  }

  #cursorArgument(): string {
    return this.#cursor === NO_TICK ? '' : this.#cursor;
  }

  #receive(entry: Buffer): void {
    const mail = isFrame(entry) ? parseFrameMail(entry) : parseMail(entry);
    ok(mail.owner === this.node, 'it is of this mailbox');
    if (mail.tick <= this.#cursor) return;
    this.#cursor = mail.tick + (mail.totals ?? this.#cursor.slice(14));
    if (this.#early.delete(mail.tick)) return;
    if (!('chunks' in mail)) {
      if (mail.fence === NO_TICK) return;
      this.#introduce(mail.fence, mail.ticket);
      this.#deliver(mail.ticket, mail);
      return;
    }
    for (const chunk of mail.chunks) {
      if (chunk.ticket !== undefined) this.#introduce(chunk.fence, chunk.ticket);
      const ticket = this.#ticketOf.get(chunk.fence);
      if (ticket !== undefined) this.#deliver(ticket, chunk);
      else this.#held.set(chunk.fence, [...(this.#held.get(chunk.fence) ?? []), chunk]);
    }
  }

  /** A wake-up carried an entry: what is next of it is delivered at once, and the rest is left to a take. */
  hear(entry: Buffer): void {
    const { tick, chunks } = parseFrameMail(entry);
    if (tick <= this.#cursor || this.#early.has(tick)) return;
    let isWhole = true;
    for (const chunk of chunks) {
      if (chunk.ticket !== undefined) this.#introduce(chunk.fence, chunk.ticket);
      const ticket = this.#ticketOf.get(chunk.fence);
      const { fence, number } = this.#had.get(ticket ?? '') ?? { fence: NO_TICK, number: 0 };
      const isNext = chunk.fence < fence || chunk.number <= (chunk.fence > fence ? 0 : number) + 1;
      if (ticket !== undefined && isNext) this.#deliver(ticket, chunk);
      else isWhole = false;
    }
    if (isWhole) this.#early.add(tick);
    this.world.counts.early += 1;
  }

  #introduce(fence: Tick, ticket: Ticket): void {
    ok((this.#ticketOf.get(fence) ?? ticket) === ticket, 'a fence is of one ticket');
    this.#ticketOf.set(fence, ticket);
    const held = this.#held.get(fence) ?? [];
    this.#held.delete(fence);
    for (const chunk of held) this.#deliver(ticket, chunk);
  }

  /** Each once, in order, and what was sent; a process that came in the middle begins there. */
  #deliver(ticket: Ticket, { fence, number, payload }: FrameChunk & { kind?: string }): void {
    this.world.delivered += 1;
    const text = String(payload);
    if (!text.startsWith('its owner has no room'))
      ok(
        text === `${this.shard}#${ticket}#${fence}#${number}`,
        `${text} is not of ${ticket} ${fence} ${number}`,
      );
    const had = this.#had.get(ticket);
    if (had && (fence < had.fence || (fence === had.fence && number <= had.number))) return;
    const isNext = had === undefined || fence > had.fence || number === had.number + 1;
    ok(
      this.world.isLossy || this.world.dropped.has(`${this.shard}|${this.node}`) || isNext,
      `a gap in ${ticket}: ${number}`,
    );
    this.#had.set(ticket, { fence, number });
  }

  #onLane(script: ShardScript, lane: 'claim' | 'put', own: Argument[], answered: Message['answered']): void {
    this.#lanes[lane].flies = true;
    const again = (): void => {
      this.#lanes[lane].number += 1;
      this.world.send({
        ...{ process: this, script, own, lane, number: this.#lanes[lane].number, epoch: this.epoch, again },
        answered: (reply) => {
          this.#lanes[lane].flies = false;
          answered(reply);
        },
      });
    };
    again();
  }

  #freely(script: ShardScript, own: Argument[], answered: Message['answered'] = () => undefined): void {
    const again = (): void =>
      this.world.send({ process: this, script, own, number: 0, epoch: this.epoch, again, answered });
    again();
  }
}

export class FramesWorld {
  readonly random: () => number;
  readonly most: number;
  readonly processes: Process[] = [];
  /** That were taken over, and still speak. */
  readonly old: Process[] = [];
  isLossy = false;
  /** Mailboxes that were emptied by a reset, though their owner goes on with other requests. */
  readonly dropped = new Set<string>();
  /** A fence was given again. */
  isOver = false;
  steps = 0;
  delivered = 0;
  readonly counts = { fast: 0, cut: 0, exact: 0, doubt: 0, full: 0, rollbacks: 0, late: 0, early: 0 };
  readonly #client: Client;
  readonly #topic: string;
  readonly #epochs = new Map<string, number>();
  readonly #net: Message[] = [];
  /** Wake-ups on their way, each with its entry. */
  readonly #rings: { shard: number; node: string; entry: Buffer }[] = [];
  /** Of each claim ever granted, by shard and fence. */
  readonly #tickets = new Map<string, Ticket>();
  /** Each shard as the last call left it. */
  readonly #stands = new Map<number, ShardSnapshot>();
  #now = START;
  #passed = 0;
  #ids = 0;

  constructor(client: Client, topic: string, seed: number) {
    [this.#client, this.#topic] = [client, topic];
    this.random = randomOf(seed);
    this.most = this.random() < 0.5 ? 6 : 1_000;
    for (const shard of [0, 1])
      for (const node of ['a', 'b', 'c']) this.processes.push(new Process(this, shard, node));
  }

  nextEpoch(node: string): number {
    const epoch = (this.#epochs.get(node) ?? 0) + 1;
    this.#epochs.set(node, epoch);
    return epoch;
  }

  send(message: Message): void {
    this.#net.push(message);
  }

  /** With a clock that went back a fence may be given again (lua/README.md#known-limits): nothing is promised then. */
  #granted(shard: number, fence: Tick, ticket: Ticket): void {
    const key = `${shard}|${fence}`;
    if ((this.#tickets.get(key) ?? ticket) !== ticket) this.isOver = true;
    this.#tickets.set(key, ticket);
  }

  async step(): Promise<void> {
    this.#pass(Math.floor(this.random() * 3));
    if (this.random() < 0.5) this.#ring();
    const draw = this.random();
    if (this.#net.length > 0 && (draw < 0.62 || this.#net.length > 60)) {
      const first = this.random() < 0.6 ? 0 : Math.floor(this.random() * Math.min(12, this.#net.length));
      return this.#execute(this.#net.splice(first, 1)[0]!);
    }
    const from = this.random() < 0.06 && this.old.length > 0 ? this.old : this.processes;
    const process = from[Math.floor(this.random() * from.length)]!;
    if (process.isOver) {
      this.#replace(process);
      return;
    }
    await this.#act(process, this.random());
  }

  /** A wake-up comes, perhaps late and perhaps again; a process that was taken over hears it, too. */
  #ring(): void {
    const at = Math.floor(this.random() ** 2 * this.#rings.length);
    const ring = this.#rings[at];
    if (!ring) return;
    if (this.random() < 0.9) this.#rings.splice(at, 1);
    for (const process of [...this.processes, ...this.old])
      if (process.shard === ring.shard && process.node === ring.node && !process.isOver)
        process.hear(ring.entry);
  }

  #replace(process: Process): void {
    const at = this.processes.indexOf(process);
    if (at >= 0) this.processes[at] = new Process(this, process.shard, process.node);
  }

  async #act(process: Process, draw: number): Promise<void> {
    if (draw < 0.12) process.put([`r${(this.#ids += 1)}`, `r${(this.#ids += 1)}`]);
    else if (draw < 0.28) process.claim(Math.floor(this.random() * 4));
    else if (draw < 0.6) process.results();
    else if (draw < 0.8) process.take();
    else if (draw < 0.87) process.refresh();
    else if (draw < 0.93) process.cancel(this.random() < 0.2);
    else if (draw < 0.955) process.giveBack();
    else if (draw < 0.965) this.#pass(LEASE * (0.4 + this.random()));
    else if (draw < 0.972) {
      if (this.processes.includes(process)) this.old.unshift(process);
      this.old.splice(3);
      this.#replace(process);
    } else if (draw < 0.985) await this.#save(process.shard);
    else if (draw < 0.991) await this.#rollBack(process.shard);
    else if (draw < 0.9925) await this.#lose(process.shard, ['calls']);
    else if (draw < 0.994) await this.#lose(process.shard, ['out']);
    else if (draw < 0.995) await this.#lose(process.shard, SHARD_TABLES);
  }

  #pass(ms: number): void {
    this.#now += Math.floor(ms);
    this.#passed += Math.floor(ms);
  }

  async #save(shard: number): Promise<void> {
    const key = (table: string): string => shardKey(this.#topic, shard, table as 'out');
    for (const table of SHARD_TABLES) {
      await this.#client.del(`${key(table)}:saved`);
      await this.#client.call('COPY', key(table), `${key(table)}:saved`, 'REPLACE');
    }
  }

  async #rollBack(shard: number): Promise<void> {
    this.#stands.delete(shard);
    this.isLossy = true;
    this.counts.rollbacks += 1;
    for (const table of SHARD_TABLES) {
      const key = shardKey(this.#topic, shard, table);
      if ((await this.#client.call('COPY', `${key}:saved`, key, 'REPLACE')) !== 1)
        await this.#client.del(key);
    }
    if (this.random() < 0.4) this.#now -= Math.floor(this.random() * 300);
  }

  async #lose(shard: number, tables: readonly (typeof SHARD_TABLES)[number][]): Promise<void> {
    this.isLossy = true;
    this.#stands.delete(shard);
    await this.#client.del(...tables.map((table) => shardKey(this.#topic, shard, table)));
  }

  async clear(): Promise<void> {
    for (const shard of [0, 1])
      for (const key of shardKeys(this.#topic, shard)) await this.#client.del(key, `${key}:saved`);
  }

  async #execute(message: Message): Promise<void> {
    const { process, script, own, lane, number, epoch } = message;
    if (!message.isCopy && process.isOver) return;
    this.steps += 1;
    message.seen ??= process.seen.floor(this.#passed);
    const args = callerArgs({
      ...{ node: process.node, epoch, seen: message.seen, clock: this.#now, ttl: TTL, lease: LEASE },
      ...{ wake: wakePrefix(this.#topic), number: process.shard, policy: 'oldest', minLoad: 1 },
      ...{ loadUnit: 'requests', stealAfter: 0, laneCall: lane === undefined ? '' : number },
    });
    const isResults = script === 'put_results';
    if (script === 'reset') this.dropped.add(`${process.shard}|${process.node}`);
    const before = isResults
      ? (this.#stands.get(process.shard) ?? (await this.#snapshot(process.shard)))
      : undefined;
    const reply = await runScript(this.#client, 'auto', script, shardKeys(this.#topic, process.shard), [
      ...args,
      ...own,
    ]);
    const after = await this.#snapshot(process.shard);
    this.#stands.set(process.shard, after);
    const broken = checkInvariants(after);
    ok(broken.length === 0, `${script} ${JSON.stringify(broken)}`);
    if (before) this.#check(message, reply, before, after);
    if (script === 'claim' && reply.length > 2)
      for (const { fence, ticket } of parseClaims(reply[2]!)) this.#granted(process.shard, fence, ticket);
    if (message.isCopy) {
      this.counts.late += 1;
      return;
    }
    const status = String(reply[0]);
    if (status === 'EVICTED') {
      if (this.random() < 0.7 || this.old.includes(process) || epoch !== process.epoch) process.isOver = true;
      else {
        process.contest();
        this.#restart(process);
        message.again!();
      }
      return;
    }
    if (this.random() < 0.05) this.#net.push({ ...message, isCopy: true });
    if (this.random() < 0.06) {
      this.#net.push(message);
      return;
    }
    if (status === 'STALE') {
      process.goesOnFrom(lane!, parseInt(String(reply[1]), 16));
      message.again!();
      return;
    }
    process.seen.see(String(reply[1]), this.#passed);
    message.answered(reply);
  }

  /** What it has in flight goes out under its new epoch. */
  #restart(process: Process): void {
    const flying = this.#net.filter((message) => message.process === process && !message.isCopy);
    for (const message of flying) {
      this.#net.splice(this.#net.indexOf(message), 1);
      message.again!();
    }
  }

  #snapshot(shard: number): Promise<ShardSnapshot> {
    return readSnapshot(this.#client, this.#topic, shard);
  }

  /** Accepted is what was held before; what the answer tells as taken is what was cut. */
  #check(
    { process, layouts, number, epoch }: Message,
    reply: readonly Buffer[],
    before: ShardSnapshot,
    after: ShardSnapshot,
  ): void {
    const status = String(reply[0]);
    if (status === 'DOUBT') this.counts.doubt += 1;
    if (status === 'FULL') this.counts.full += 1;
    const isSame = before.calls.get(process.node) === hex(epoch, 14);
    const remembered = isSame && before.calls.get(`${process.node}|result`)?.slice(0, 12) === hex(number, 12);
    if (status !== 'OK' || remembered) {
      const did = before.out.length !== after.out.length || before.request.size !== after.request.size;
      ok(!did, `${status} does nothing`);
      return;
    }
    const form = parseInt(reply[2]!.toString('latin1', 0, 1), 16);
    const { fast, single } = layouts![form]!;
    const { told, words } = parseResults(reply[2]!, fast.size);
    const holds = ({ claim: { ticket, fence, owner } }: Chunk): boolean => {
      const record = parseRecord(before.request.get(`${owner}|${parseTicket(ticket).id}`) ?? '');
      return record?.fence === fence && ticket.includes(record.stamp);
    };
    const expected = new Map<string, string[]>();
    for (const [owner, list] of fast) {
      for (const chunk of list) {
        const isTold = told.includes(chunk.claim.fence);
        ok(
          holds(chunk) !== isTold,
          `${process.node} ${chunk.claim.ticket} ${chunk.claim.fence}: held ${!isTold}, and ${isTold ? 'cut' : 'accepted'}`,
        );
        if (!isTold && owner !== process.node)
          expected.set(owner, [...(expected.get(owner) ?? []), payloadOf(process.shard, chunk)]);
      }
    }
    const answers = words.split(' ');
    const ended = new Set<Tick>();
    single.forEach((one, i) => {
      const isHeld = holds(one) && !ended.has(one.claim.fence);
      ok(isHeld === (answers[i] !== 'LOST'), `${one.claim.ticket}: ${answers[i]!}, held ${isHeld}`);
      if ('kind' in one || answers[i] === 'OVERFLOW') ended.add(one.claim.fence);
    });
    if (fast.size > 0) this.counts.fast += 1;
    else this.counts.exact += 1;
    if (fast.size > 0 && told.length > 0) this.counts.cut += 1;
    const seen = new Set(before.out.map(String));
    for (const entry of after.out)
      if (isFrame(entry) && !seen.has(String(entry)) && this.random() < 0.8)
        this.#rings.push({ shard: process.shard, node: parseFrameMail(entry).owner, entry });
    const stored = new Map(
      after.out
        .filter((member) => isFrame(member) && !seen.has(String(member)))
        .map(parseFrameMail)
        .map(({ owner, chunks }) => [owner, chunks.map(({ payload }) => String(payload))]),
    );
    ok(
      JSON.stringify([...stored].sort()) === JSON.stringify([...expected].sort()),
      'what is stored is what was accepted',
    );
  }
}
