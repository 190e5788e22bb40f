import { Alarm } from '../base/clock.ts';
import { NO_TICK, type Tick } from '../base/ticket.ts';
import type { Shard } from '../protocol/shard.ts';
import { MAX_ITEMS, type FrameMail, type Halt, type Mail } from '../protocol/wire.ts';

/** Results are taken off the server by the next call's cursor; if none follows, by one sent this much later. */
const ACKNOWLEDGE_MS = 100;
/** After so many entries that wake-ups carried they are taken off the server. */
const MOST_CARRIED = 16;

/** One who waits until what was in Redis at its call has been delivered. */
interface Look {
  /** The shard's ticks were here: what it waits for is not later. */
  readonly upTo: Tick;
  resolve(): void;
  reject(error: unknown): void;
}

/** This node's mailbox in one shard: one take at a time, and again if it was rung meanwhile. */
/** Where results go. */
export interface MailboxReader {
  take(mail: Mail | FrameMail): void;
  /** What waits in Redis, too. Answers whether all of it is dealt with, so that it need not be read again. */
  takeEarly(mail: FrameMail): boolean;
}

export class Mailbox {
  readonly #shard: Shard;
  readonly #reader: MailboxReader;
  readonly #halts: () => readonly Halt[];
  readonly #acknowledge: Alarm;
  /** Tick of the last entry that this process has. */
  #tick: Tick = NO_TICK;
  /** What the last entry said that is counted: handed back, it says how much has been taken. */
  #totals = '';
  /** The cursor that Redis knows. */
  #taken: Tick = NO_TICK;
  /** Entries behind the cursor that were dealt with. */
  readonly #early = new Set<Tick>();
  #looks: Look[] = [];
  /** Never rejects. */
  #taking: Promise<void> | undefined;
  #again = false;
  #closed = false;

  /** @param halts asked with every call: what runners of this shard are to be told */
  constructor(shard: Shard, reader: MailboxReader, halts: () => readonly Halt[] = () => []) {
    this.#shard = shard;
    this.#reader = reader;
    this.#halts = halts;
    this.#acknowledge = new Alarm(() => void this.empty().catch(() => undefined));
  }

  /** How far this process has read: a tick, and then what is handed back of the counts. */
  get cursor(): string {
    return this.#tick + this.#totals;
  }

  /** A wake-up carried this entry: it is delivered at once, and taken off the server with others. */
  carried(mail: FrameMail): void {
    if (this.#closed || mail.tick <= this.#tick || this.#early.has(mail.tick)) return;
    const isDone = this.#reader.takeEarly(mail);
    if (isDone) this.#early.add(mail.tick);
    if (!isDone || this.#early.size >= MOST_CARRIED) void this.empty().catch(() => undefined);
    else this.#acknowledge.within(ACKNOWLEDGE_MS);
  }

  /**
   * Delivers what is there, and what comes while it does. Resolves when what is there now has been delivered, however much comes
   * meanwhile. Rejects when the node is over or Redis refuses.
   */
  empty(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#again = true;
    return new Promise((resolve, reject) => {
      this.#looks.push({ upTo: this.#shard.tick, resolve, reject });
      this.#taking ??= this.#take();
    });
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Takes no more; an answer that is on its way sets no timer any more. */
  close(): void {
    this.#closed = true;
    this.#acknowledge.clear();
  }

  /** Takes no more, and removes from Redis what this process was told: a successor is not told again. */
  async leave(): Promise<void> {
    if (this.#early.size > 0) await this.empty();
    this.close();
    await this.#taking;
    const { cursor } = this;
    if (this.#tick === this.#taken) return;
    await this.#shard.takeResults(cursor, 0);
    this.#taken = this.#tick;
  }

  async #take(): Promise<void> {
    try {
      do await this.#takeOnce();
      while (this.#again && !this.#closed);
      for (const look of this.#looks.splice(0)) look.resolve();
    } catch (error) {
      for (const look of this.#looks.splice(0)) look.reject(error);
    }
    // in the same turn as the loop's last look: a call that comes later starts a new one
    this.#taking = undefined;
    if (this.#tick !== this.#taken && !this.#closed) this.#acknowledge.within(ACKNOWLEDGE_MS);
  }

  async #takeOnce(): Promise<void> {
    this.#again = false;
    this.#acknowledge.clear();
    const from = this.#tick;
    const begun = this.#looks.length;
    const halts = this.#halts();
    // there may be more to tell
    if (halts.length === MAX_ITEMS) this.#again = true;
    const { isBox, mails, more } = await this.#shard.takeResults(this.cursor, MAX_ITEMS, halts);
    this.#taken = from;
    // Redis has no such entry, and begins at the beginning: it was removed before, or lies in a past that Redis has lost
    if (isBox) [this.#tick, this.#totals, this.#taken] = [NO_TICK, '', NO_TICK];
    for (const mail of mails) {
      // an answer of before a rollback may come again
      if (mail.tick <= this.#tick) continue;
      this.#tick = mail.tick;
      if (mail.totals !== undefined) this.#totals = mail.totals;
      if (!this.#early.delete(mail.tick)) this.#reader.take(mail);
    }
    if (more) this.#again = true;
    else this.#forgetEarly();
    const isSeen = ({ upTo }: Look): boolean => !more || upTo <= this.#tick;
    const earlier = this.#looks.splice(0, begun);
    this.#looks.unshift(...earlier.filter((look) => !isSeen(look)));
    for (const look of earlier) if (isSeen(look)) look.resolve();
  }

  /** What was not found up to here has gone from Redis. */
  #forgetEarly(): void {
    for (const tick of this.#early) if (tick <= this.#tick) this.#early.delete(tick);
  }
}
