import { NO_TICK, type Tick } from '../base/ticket.ts';
import type { MailKind } from '../protocol/wire.ts';

export type Verdict = 'take' | 'restart' | 'drop' | 'gap';

/**
 * The rule of delivery for one request (lua/README.md#promises): the owner takes number n + 1 of the current fence, or
 * number 1 of a higher fence. A final that the shard itself wrote carries no fence. A failure needs no complete stream.
 */
export class Attempts {
  #fence: Tick = NO_TICK;
  #number = 0;
  #midway: boolean;

  /** @param midway a predecessor had the results before the first one, whatever its number */
  constructor(midway = false) {
    this.#midway = midway;
  }

  /** Whether it is the next one, or was before: it can be judged although others may still come before it. */
  isNext(fence: Tick, number: number): boolean {
    const last = fence > this.#fence ? 0 : this.#number;
    return fence < this.#fence || number <= last + 1;
  }

  /** @param mail with `hasHole`, results in front of it were given up */
  judge(mail: { fence: Tick; number: number; kind: MailKind; hasHole?: boolean }): Verdict {
    if (mail.fence === NO_TICK) return 'take';
    if (mail.fence < this.#fence) return 'drop';
    const restart = mail.fence > this.#fence && this.#number > 0;
    const last = mail.fence > this.#fence ? 0 : this.#number;
    if (mail.number <= last) return 'drop';
    const mayMiss = mail.kind === 'failed' || (this.#midway && !mail.hasHole);
    if (mail.number > last + 1 && !mayMiss) return 'gap';
    this.#midway = false;
    this.#fence = mail.fence;
    this.#number = mail.number;
    return restart ? 'restart' : 'take';
  }
}
