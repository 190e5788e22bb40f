import { copyOf } from '../../base/codec.ts';
import { NO_TICK, type Tick } from '../../base/ticket.ts';
import { MAX_BYTES, type Mail } from '../../protocol/wire.ts';

/** The results in one shard that their owners have not taken yet. */
export class Mailboxes {
  readonly #mails = new Map<string, Mail[]>();

  /** By owner. */
  readonly #chunks = new Map<string, { count: number; bytes: number }>();

  /** So many chunks, and bytes of them, wait for this owner. */
  untaken(owner: string): { count: number; bytes: number } {
    return this.#chunks.get(owner) ?? { count: 0, bytes: 0 };
  }

  post(owner: string, mail: Mail): void {
    const mails = this.#mails.get(owner) ?? [];
    mails.push(mail);
    this.#mails.set(owner, mails);
    this.#count(owner, [mail], 1);
  }

  #count(owner: string, mails: readonly Mail[], times: 1 | -1): void {
    const untaken = { ...this.untaken(owner) };
    for (const { kind, payload } of mails) {
      if (kind !== 'chunk') continue;
      untaken.count += times;
      untaken.bytes += times * payload.length;
    }
    this.#chunks.set(owner, untaken);
  }

  /** Removes what the owner has, up to the cursor. */
  confirm(owner: string, cursor: Tick): void {
    if (cursor === NO_TICK) return;
    const mails = this.#mails.get(owner) ?? [];
    const left = mails.findIndex(({ tick }) => tick > cursor);
    this.#count(owner, mails.splice(0, left === -1 ? mails.length : left), -1);
  }

  /** From the front, at most so many and MAX_BYTES, or one larger. */
  peek(owner: string, limit: number): { mails: Mail[]; more: boolean } {
    const all = this.#mails.get(owner) ?? [];
    const mails: Mail[] = [];
    let bytes = 0;
    for (const mail of all.slice(0, limit)) {
      bytes += mail.payload.length;
      if (mails.length > 0 && bytes > MAX_BYTES) break;
      // whoever takes it once more must not meet what was made of it
      mails.push({ ...mail, payload: copyOf(mail.payload) });
    }
    return { mails, more: mails.length < all.length };
  }

  drop(owner: string): void {
    this.#mails.delete(owner);
    this.#chunks.delete(owner);
  }
}
