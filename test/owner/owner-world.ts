// An owner whose shards answer what a test tells them to: for answers that Redis gives only on its bad days.
import { monotonic } from '../../src/base/clock.ts';
import { jsonCodec, type Payload } from '../../src/base/codec.ts';
import { SchedulerError } from '../../src/base/errors.ts';
import { settle } from '../../src/base/settle.ts';
import { hex, joinTicket, NO_TICK, type Ticket } from '../../src/base/ticket.ts';
import { SchedulerEvents, Teller } from '../../src/observe/events.ts';
import { Backlog } from '../../src/owner/backlog.ts';
import { Owner } from '../../src/owner/owner.ts';
import type { Pending } from '../../src/owner/pending.ts';
import type { Result, Sink } from '../../src/owner/results.ts';
import { writeFrame } from '../../src/protocol/frames.ts';
import type { Membership } from '../../src/protocol/membership.ts';
import type { Shard } from '../../src/protocol/shard.ts';
import type { Shards } from '../../src/protocol/shards.ts';
import type {
  FrameMail,
  Mail,
  MailKind,
  PutAnswer,
  PutItem,
  ResetAnswer,
  Story,
  TakenAnswer,
} from '../../src/protocol/wire.ts';
import type { Final } from '../lua/calls.ts';
import { waitUntil } from '../support/server.ts';

export const TIMEOUT = new SchedulerError('TIMEOUT', 'test', 'no answer in time');
export const REFUSED = new SchedulerError('REDIS', 'test', 'OOM');

type Answer = PutAnswer | Error;

export class FakeShard {
  readonly number: number;
  /** All tickets are of puts by this process. */
  readonly ownSince = NO_TICK;
  /** Puts, in their order, and the answers of those that are not answered yet. */
  readonly puts: PutItem[] = [];
  readonly #answers: ((answer: Answer) => void)[] = [];
  readonly cancelled: Ticket[] = [];
  readonly expired: Ticket[] = [];
  /** And why, of those that their owner failed. */
  readonly failed: [Ticket, string][] = [];
  cancelFails: Error | undefined;
  /** The mailbox: what the next take answers. */
  mails: (Mail | FrameMail)[] = [];
  takes = 0;
  readonly resets: (readonly Ticket[])[] = [];
  resetAnswers: ResetAnswer[] = [];

  constructor(number: number) {
    this.number = number;
  }

  put(item: PutItem): Promise<PutAnswer> {
    this.puts.push(item);
    return new Promise((resolve, reject) => {
      this.#answers.push((answer) => {
        if (answer instanceof Error) reject(answer);
        else resolve(answer);
      });
    });
  }

  /** Its put has not left yet. */
  canWithdraw = false;

  withdraw(_: PutItem, error: SchedulerError): boolean {
    if (this.canWithdraw) this.#answers.pop()!(error);
    return this.canWithdraw;
  }

  /** Answers the put that has waited longest, once there is one. */
  async answer(answer: Answer): Promise<void> {
    await waitUntil(() => this.#answers.length > 0, 'a put came');
    this.#answers.shift()!(answer);
    await turn();
  }

  get unanswered(): number {
    return this.#answers.length;
  }

  cancel(tickets: readonly Ticket[], kind: Final = 'cancelled', reason = ''): Promise<never[]> {
    if (kind === 'failed') this.failed.push(...tickets.map((ticket): [Ticket, string] => [ticket, reason]));
    else this[kind].push(...tickets);
    return this.cancelFails ? Promise.reject(this.cancelFails) : Promise.resolve([]);
  }

  takeResults(): Promise<TakenAnswer> {
    this.takes += 1;
    return Promise.resolve({ mails: this.mails.splice(0), more: false });
  }

  reset(pending: readonly Ticket[]): Promise<ResetAnswer> {
    this.resets.push(pending);
    return Promise.resolve(this.resetAnswers.shift() ?? { more: false, dropped: [...pending] });
  }
}

export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export function ticketOf(id: string, order = 1): Ticket {
  return joinTicket('a', `${hex(order, 14)}|${hex(1, 8)}|${hex(1, 12)}`, id);
}

let ticks = 0;

export function mailOf(ticket: Ticket, kind: MailKind, fence = 5, number = 1): Mail {
  const [tick, payload] = [hex((ticks += 1), 14), Buffer.from(kind === 'chunk' ? '0' : '')];
  const story = { ...WAITED, claimedAt: hex(fence, 14), runner: 'r' };
  return {
    ...{ tick, ticket, fence: hex(fence, 14), number, kind, payload, bare: kind === 'finished' },
    ...(kind === 'chunk' ? {} : { story }),
  };
}

/** A chunk in a frame: its fence and number, and the ticket if it goes with it. */
export type FramedChunk = [fence: number, number: number, ticket?: Ticket];

export function frameOf(...chunks: FramedChunk[]): FrameMail {
  const framed = chunks.map(([fence, number]) => ({
    ...{ claim: { fenceNumber: fence }, number, payload: '0', bytes: 1 },
  }));
  const titles = chunks.map(([, , ticket]) => ticket);
  const tick = hex((ticks += 1), 14);
  return { tick, totals: '', entry: writeFrame(framed, titles), from: 0, count: chunks.length };
}

/** Of a request that ended while it was waiting. */
export const WAITED: Story = { triesSpent: 0, arrival: NO_TICK, claimedAt: NO_TICK, runner: '' };

export interface WorldOptions {
  /** Results of unknown tickets are a predecessor's. */
  successor?: boolean;
  tries?: number;
  /** May be shorter than the options allow. */
  ttlMs?: number;
  maxResults?: number;
}

export class OwnerWorld {
  readonly shards = [new FakeShard(0), new FakeShard(1)];
  readonly shard = this.shards[0]!;
  /** Kinds and reasons per request id; a sink that failed has its error's code. */
  readonly told: Record<string, string[]> = {};
  readonly warnings: string[] = [];
  /** Names of events, with their request's id. */
  readonly events: string[] = [];
  readonly emitter = new SchedulerEvents();
  readonly over = new AbortController();
  epoch = 'e1';
  home = 0;
  /** Tokens of the largest prompt that an engine can hold. */
  largest = Infinity;
  /** Waits end with TIMEOUT at once. */
  impatient = false;
  /** Of each request. */
  readonly backlog = new Backlog();
  readonly owner: Owner<unknown>;

  constructor({ successor = false, ttlMs, ...options }: WorldOptions = {}) {
    const settled = settle<never, unknown>({
      ...{ topic: 't', node: 'a', outputCodec: jsonCodec(), tries: 3, maxWaiting: 9 },
      ...options,
      onWarning: (message) => void this.warnings.push(message),
    });
    const settings = { ...settled, ttlMs: ttlMs ?? settled.ttlMs };
    for (const name of ['accepted', 'putAgain', 'ended'] as const)
      this.emitter.on(name, ({ id }: { id: string }) => void this.events.push(`${name} ${id}`));
    this.owner = new Owner(
      this.#shards(),
      {
        mayHold: (tokens) => tokens <= this.largest,
        refusal: (tokens) => Promise.resolve(tokens > this.largest ? this.largest : undefined),
      },
      this.#membership(),
      settings,
      successor ? (id) => this.sink(id) : undefined,
      new Teller(
        this.emitter,
        () => ({ topic: 't', node: 'a' }),
        () => undefined,
      ),
    );
  }

  #shards(): Shards {
    const get = (number: number): Shard => this.shards[number] as unknown as Shard;
    return { get } as unknown as Shards;
  }

  #membership(): Membership {
    const [epoch, home] = [(): string => this.epoch, (): number => this.home];
    const within = <T>(_: string, promise: Promise<T>): Promise<T> => {
      if (!this.impatient) return promise;
      promise.catch(() => undefined);
      return Promise.reject(TIMEOUT);
    };
    return {
      ...{ within, over: this.over.signal },
      get epoch() {
        return epoch();
      },
      get home() {
        return home();
      },
    } as unknown as Membership;
  }

  get here(): Shard {
    return this.shard as unknown as Shard;
  }

  sink(id: string): Sink<unknown> {
    const told = (this.told[id] ??= []);
    return {
      deliver: ({ kind, reason }: Result) => told.push(reason === undefined ? kind : `${kind}: ${reason}`),
      backlog: this.backlog,
      fail: (error) => told.push((error as Partial<SchedulerError>).code ?? ''),
    };
  }

  put(id: string, payload: Payload = id, deadlineMs = 60_000): Promise<Pending<unknown>> {
    const rest = {
      promptTokens: 1,
      headStartMs: 0,
      onOwnerLoss: 'finish' as const,
      deadlineAt: monotonic() + deadlineMs,
    };
    const put = this.owner.put({ id, payload, bytes: payload.length, sink: this.sink(id), ...rest });
    put.catch(() => undefined);
    return put;
  }

  /** A request that was accepted under `ticketOf(id)`. */
  async accepted(id: string, deadlineMs?: number): Promise<Pending<unknown>> {
    const put = this.put(id, id, deadlineMs);
    await this.shard.answer({ status: 'OK', ticket: ticketOf(id) });
    return put;
  }

  deliver(...mails: Mail[]): void {
    for (const mail of mails) this.owner.deliver(this.here, mail);
  }
}
