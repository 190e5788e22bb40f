/**
 * Results to their requests: matched by ticket, never by id; in order, each once (attempts.ts has the rule). A result of
 * no pending request is held while a put is unanswered, as it can overtake the put's answer. After a takeover it is a
 * predecessor's, unless its ticket was pending here before. Otherwise it is dropped.
 */
import { toBuffer, type Codec } from '../base/codec.ts';
import { messageOf } from '../base/errors.ts';
import { parseTicket, type Ticket } from '../base/ticket.ts';
import type { Shard } from '../protocol/shard.ts';
import type { Delivered, Mail, ResultKind } from '../protocol/wire.ts';
import { Attempts } from './attempts.ts';
import { courseOf } from './course.ts';
import { RecentTickets, type Pending, type PendingTable } from './pending.ts';
import type { Readers } from './readers.ts';
import { isFinal, type Result, type Sink } from './results.ts';

export interface DeliveryOptions<Output> {
  outputCodec: Codec<Output>;
  onRestart: 'restart' | 'fail';
  /** Chunks go to their readers by these. */
  readers: Pick<Readers<Output>, 'deliver'>;
  /** What is older has expired. */
  ttlMs: number;
  /** Where results of a predecessor's requests go; missing: they are dropped. */
  predecessor?: ((id: string) => Sink<Output>) | undefined;
  /** The request ends here before it does in Redis. */
  failEarly: (pending: Pending<Output>, reason: string) => void;
  /** Redis lost the request: it is put again. */
  onLost: (pending: Pending<Output>) => void;
  /** Numbers are missing: results were lost. */
  onGap: (pending: Pending<Output>) => void;
}

export class Delivery<Output> {
  readonly #pendings: PendingTable<Output>;
  readonly #options: DeliveryOptions<Output>;
  /** Tickets that this node cancelled by itself: their results are dropped. */
  readonly #disowned: RecentTickets;
  /** Puts without an answer, and results that may be theirs. */
  readonly #early = new Map<Shard, { unanswered: number; mails: Mail[] }>();
  /** Tickets with own results on their way to Redis: if such a request ends meanwhile, they are dropped. */
  readonly #own = new Map<Ticket, { unanswered: number; ended: boolean }>();

  constructor(pendings: PendingTable<Output>, options: DeliveryOptions<Output>) {
    this.#pendings = pendings;
    this.#options = options;
    this.#disowned = new RecentTickets(options.ttlMs);
  }

  disown(ticket: Ticket): void {
    this.#disowned.add(ticket);
  }

  disowns(ticket: Ticket): boolean {
    return this.#disowned.has(ticket);
  }

  /** From here to the end of `answered`, results of unknown tickets in this shard are held. */
  async during<T>(shard: Shard, answered: () => Promise<T>): Promise<T> {
    let early = this.#early.get(shard);
    if (!early) this.#early.set(shard, (early = { unanswered: 0, mails: [] }));
    early.unanswered += 1;
    try {
      return await answered();
    } finally {
      early.unanswered -= 1;
      for (const mail of early.mails.splice(0)) this.deliver(shard, mail);
    }
  }

  /**
   * Its put was answered. If Redis lost what an earlier run of it had placed, results of that are held under another ticket:
   * they are not a predecessor's.
   */
  placed({ id, shard, ticket, headStartMs }: Pending<Output>): void {
    for (const mail of this.#early.get(shard)?.mails ?? []) {
      const other = parseTicket(mail.ticket);
      const arrivedAt = parseInt(other.order, 16) + 1000 * headStartMs;
      const isOwn = other.id === id && mail.ticket !== ticket && arrivedAt >= parseInt(shard.ownSince, 16);
      if (isOwn) this.disown(mail.ticket);
    }
  }

  /** This node sends a result of its own request; call what this gives when the answer has been dealt with. */
  sending(ticket: Ticket): () => void {
    const own = this.#own.get(ticket) ?? { unanswered: 0, ended: false };
    this.#own.set(ticket, own);
    own.unanswered += 1;
    return () => {
      own.unanswered -= 1;
      if (own.unanswered === 0) this.#own.delete(ticket);
    };
  }

  deliver(shard: Shard, mail: Delivered): void {
    const own = this.#own.size === 0 ? undefined : this.#own.get(mail.ticket);
    if (own?.ended) return;
    const pending = this.#pendings.withTicket(mail.ticket) ?? this.#stranger(shard, mail);
    if (!pending) return;
    if (mail.kind === 'lost') {
      this.#options.onLost(pending);
      return;
    }
    const verdict = pending.attempts.judge(mail);
    if (verdict === 'drop') return;
    if (verdict === 'gap') {
      this.#options.onGap(pending);
      return;
    }
    if (verdict === 'restart' && this.#options.onRestart === 'fail') {
      this.#options.failEarly(
        pending,
        'its runner was lost after results had been delivered (onRestart: fail)',
      );
      return;
    }
    if (verdict === 'restart') pending.sink.deliver({ kind: 'restart' });
    const result = this.#read(mail.kind, mail);
    if (result instanceof Error) {
      this.#options.failEarly(pending, `a result could not be decoded: ${result.message}`);
      return;
    }
    if (!isFinal(result)) {
      this.#options.readers.deliver(pending, result, Buffer.byteLength(mail.payload), mail.fence);
      return;
    }
    if (own) own.ended = true;
    this.#pendings.end(pending, result);
  }

  /** Whether nothing is missing in front of this result of a pending request. */
  isNext({ ticket, fence, number }: Delivered): boolean {
    return this.#pendings.withTicket(ticket)?.attempts.isNext(fence, number) === true;
  }

  #stranger(shard: Shard, mail: Delivered): Pending<Output> | undefined {
    if (this.#disowned.has(mail.ticket)) return undefined;
    const early = this.#early.get(shard);
    if (early && early.unanswered > 0) {
      early.mails.push({ ...mail, payload: toBuffer(mail.payload) });
      return undefined;
    }
    if (!this.#options.predecessor || this.#pendings.wasPending(mail.ticket)) return undefined;
    const { id, tokens } = parseTicket(mail.ticket);
    const pending: Pending<Output> = {
      id,
      shard,
      promptTokens: tokens,
      headStartMs: 0,
      onOwnerLoss: 'finish',
      putAt: undefined,
      deadlineAt: Infinity,
      attempts: new Attempts(true),
      sink: this.#options.predecessor(id),
      triesLeft: 0,
      triesSpent: 0,
      abandoned: false,
    };
    this.#pendings.setTicket(pending, mail.ticket);
    return pending;
  }

  #read(kind: ResultKind, { payload, bare, tick, story }: Delivered): Result<Output> | Error {
    if (kind === 'chunk') return this.#chunk(payload);
    const course = story ? courseOf(story, tick) : {};
    if (kind === 'failed')
      return { kind, reason: payload.toString() || 'its runner gave no reason', ...course };
    if (kind === 'cancelled' || kind === 'expired') {
      const reason = payload.toString();
      return { kind, ...(reason === '' ? {} : { reason }), ...course };
    }
    if (bare) return { kind, ...course };
    const chunk = this.#chunk(payload);
    return chunk instanceof Error ? chunk : { kind, output: chunk.output, ...course };
  }

  #chunk(payload: Delivered['payload']): { kind: 'chunk'; output: Output } | Error {
    try {
      return { kind: 'chunk', output: this.#options.outputCodec.decode(toBuffer(payload)) };
    } catch (error) {
      return new Error(messageOf(error));
    }
  }
}
