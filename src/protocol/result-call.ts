/**
 * One call of `put_results`: which chunks travel in frames, a frame for each owner, and which results are checked one by one; and
 * what its answer says of each. Pure, but for what it notes of claims that were introduced.
 */
import { NO_TICK, hex, type Tick, type Ticket } from '../base/ticket.ts';
import { writeFrame } from './frames.ts';
import type { Grants } from './grants.ts';
import {
  resultArguments,
  type ResultAnswer,
  type ResultItem,
  type ResultsAnswer,
  type SentClaim,
} from './wire.ts';

/** The chunks of one call for one owner. */
interface Group {
  readonly owner: string;
  /** What this node knows as the intro of the owner's mailbox. */
  readonly intro: Tick;
  readonly items: ResultItem[];
  /** By chunk: the ticket that goes with it. */
  readonly titles: (Ticket | undefined)[];
  /** Claims that are introduced by it. */
  readonly introduced: SentClaim[];
}

/** What the forms of a call depend on. */
export interface CallContext {
  readonly grants: Grants;
  /** The caller: results of its own requests do not travel. */
  readonly node: string;
  /** By owner: the intro of its mailbox, as far as this node knows. */
  readonly intros: Map<string, Tick>;
  /** After so many ms a claim is introduced again. */
  readonly introduceMs: number;
  /** Entries of at most so many bytes go with the wake-ups of their owners. */
  readonly carriedBytes: number;
  /** On the monotonic clock. */
  readonly now: number;
}

/** One form of a call: what was sent under its number may be sent again in another form, and the answer says which form ran. */
export class ResultForm {
  /** The mark that it names. */
  readonly mark: Tick;
  readonly #at: number;
  readonly #items: readonly ResultItem[];
  /** By owner; a group's place is its number. */
  readonly #groups: Group[] = [];
  /** By item: the number of its group; -1: it is checked by itself. */
  readonly #groupOf: number[] = [];
  readonly #exact: (string | Buffer)[] = [];
  readonly #node: string;
  readonly #carried: string;

  /** @param way `frames`: chunks of claims that are vouched for; `exact`: no frames; `hollow`: of no claim, and without content */
  constructor(items: readonly ResultItem[], way: 'frames' | 'exact' | 'hollow', context: CallContext) {
    this.#items = items;
    this.#node = context.node;
    this.#carried = hex(context.carriedBytes, 4);
    this.#at = context.now;
    this.mark = context.grants.mark;
    const byOwner = new Map<string, number>();
    for (const item of items) {
      if (way === 'frames' && item.kind === 'chunk' && context.grants.vouchesFor(item.claim)) {
        this.#groupOf.push(this.#join(item, byOwner, context));
      } else {
        this.#groupOf.push(-1);
        this.#exact.push(...resultArguments(item, way === 'hollow'));
      }
    }
  }

  #join(item: ResultItem, byOwner: Map<string, number>, context: CallContext): number {
    const { claim } = item;
    let at = byOwner.get(claim.owner);
    if (at === undefined) {
      at = this.#groups.length;
      byOwner.set(claim.owner, at);
      const intro = context.intros.get(claim.owner) ?? NO_TICK;
      this.#groups.push({ owner: claim.owner, intro, items: [], titles: [], introduced: [] });
    }
    const group = this.#groups[at]!;
    const isNews =
      claim.introducedTo !== group.intro || context.now - claim.introducedAt >= context.introduceMs;
    const isTitled = isNews && !group.introduced.includes(claim);
    if (isTitled) group.introduced.push(claim);
    group.items.push(item);
    group.titles.push(isTitled ? claim.ticket : undefined);
    return at;
  }

  get groups(): number {
    return this.#groups.length;
  }

  /** What `put_results` is told behind its limits. @param form its number; `last`: of the last call that was answered */
  arguments(form: number, last: string): (string | Buffer)[] {
    const args: (string | Buffer)[] = [
      `${form.toString(16)}${last}${this.mark}${this.#carried}`,
      String(this.#groups.length),
    ];
    for (const { owner, intro, items, titles } of this.#groups) {
      args.push(`${intro}${hex(items.length, 4)}${owner}`);
      args.push(owner === this.#node ? '' : writeFrame(items, titles));
    }
    for (const one of this.#exact) args.push(one);
    return args;
  }

  /** What became of each item. */
  read(answer: ResultsAnswer, { grants, intros }: Pick<CallContext, 'grants' | 'intros'>): ResultAnswer[] {
    grants.answered(this.mark, answer.mark);
    this.#groups.forEach((group, i) => {
      if (group.owner === this.#node) return;
      const { intro } = answer.groups[i]!;
      intros.set(group.owner, intro);
      for (const claim of group.introduced) [claim.introducedTo, claim.introducedAt] = [intro, this.#at];
    });
    const told = answer.told.length > 0 ? new Set(answer.told) : undefined;
    let word = 0;
    return this.#items.map((item, i): ResultAnswer => {
      const group = this.#groupOf[i]!;
      if (group >= 0) return told?.has(item.claim.fence) ? 'LOST' : answer.groups[group]!.status;
      const status = answer.words[word++]!;
      if (item.kind === 'chunk' && (status === 'OK' || status === 'ORPHAN')) grants.vouchFor(item.claim);
      return status;
    });
  }
}
