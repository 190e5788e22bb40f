// Hand-made histories for the checker.
import { check, type Verdict } from '../../../scripts/lib/checker/checker.ts';
import type { Evidence, Leftovers } from '../../../scripts/lib/checker/evidence.ts';
import { Lives } from '../../../scripts/lib/checker/lives.ts';
import type { EngineSize, Entry, Happening, Output } from '../../../scripts/lib/harness/happenings.ts';
import { NOTHING_HELD, type Holding, type Loss } from '../../../scripts/lib/checker/losses.ts';

export const OWNER = 'a';
export const RUNNER = 'b';

/** ms; fences are µs. */
const LEASE_MS = 0.002;

/** As in the chaos run. */
export const OUTAGE_MS = 11_000;

const NOTHING: Leftovers = { records: new Set(), mails: new Set(), complaints: [] };

/** Processes, written line by line; `at` counts up unless told. */
export class Story {
  #now = 0;
  readonly #processes = new Map<string, { entries: Entry[]; diedAt: number | undefined }>();
  readonly #losses: Loss[] = [];
  left: Leftovers = NOTHING;

  /** A process with the label `label` has the name `node`. */
  process(label: string, node = label, takeover = false, engine?: EngineSize): this {
    this.#processes.set(label, { entries: [], diedAt: undefined });
    return this.saw(label, { what: 'started', node, takeover, ...(engine && { engine }) });
  }

  saw(label: string, ...happenings: Happening[]): this {
    const { entries } = this.#processes.get(label)!;
    for (const happening of happenings) entries.push({ at: ++this.#now, ...happening });
    return this;
  }

  /** Time passes. */
  pass(ms: number): this {
    this.#now += ms;
    return this;
  }

  dies(label: string): this {
    this.#processes.get(label)!.diedAt = ++this.#now;
    return this;
  }

  /** Redis dies with `had`, and comes back with `has`. */
  loses(had: Partial<Holding>, has: Partial<Holding> = {}): this {
    const at = ++this.#now;
    this.#losses.push({ from: at, at, had: { ...NOTHING_HELD, ...had }, has: { ...NOTHING_HELD, ...has } });
    return this;
  }

  leaves(left: Partial<Leftovers>): this {
    this.left = { ...NOTHING, ...left };
    return this;
  }

  /** Judges it as a run with outages, unless told otherwise. */
  check({ leaseMs = LEASE_MS, outageMs = OUTAGE_MS, ...more }: Partial<Evidence> = {}): Verdict {
    const lives = new Lives();
    for (const [label, one] of this.#processes) lives.add({ label, ...one }, one.entries);
    return check({ lives, losses: this.#losses, leaseMs, outageMs, left: this.left, ...more });
  }
}

/** Two processes, and a request of the owner that was put and accepted. */
export function accepted(id = 'r1'): Story {
  return new Story().process(OWNER).process(RUNNER).saw(OWNER, put(id), { what: 'accepted', id });
}

export function put(
  id = 'r1',
  more: { priority?: number; deadlineMs?: number; promptTokens?: number } = {},
): Happening {
  return { what: 'put', id, priority: 0, ...more };
}

/** Fences and orders are two hex digits here. */
export function tick(short: string): string {
  return short.padStart(14, '0');
}

/** The claim `fence` of the request that was put at `order`, seen by one process. */
export function claimed(fence: string, order = '01', id = 'r1', triesSpent = 0, tokens = 1): Happening[] {
  const ticket = ticketOf(order, id, tokens);
  return [
    { what: 'granted', id, ticket, fence: tick(fence), shard: 0, triesSpent },
    { what: 'claimed', id, owner: OWNER, fence: tick(fence), attempt: triesSpent + 1 },
  ];
}

export function sent(fence: string, number: number, final: boolean, id = 'r1'): Happening {
  return { what: 'sent', id, fence: tick(fence), number, final };
}

export function chunk(fence: string, number: number, id = 'r1'): Happening {
  return { what: 'told', id, kind: 'chunk', output: output(fence, number, id) };
}

export function finished(fence: string, number: number, id = 'r1'): Happening {
  return { what: 'told', id, kind: 'finished', output: output(fence, number, id) };
}

/** The result left the mailbox of the process that sees it. */
export function taken(fence: string, number: number, final: boolean, order = '01', id = 'r1'): Happening {
  return { what: 'taken', id, ticket: ticketOf(order, id), fence: tick(fence), number, final };
}

export function placed(order = '01', id = 'r1'): Happening {
  return { what: 'placed', id, ticket: ticketOf(order, id), shard: 0 };
}

function ticketOf(order: string, id: string, tokens = 1): string {
  return `${OWNER}|${tick(order)}|${String(tokens).padStart(8, '0')}|00000000ffff|${id}`;
}

export function restart(id = 'r1'): Happening {
  return { what: 'told', id, kind: 'restart' };
}

export function output(fence: string, number: number, id = 'r1'): Output {
  return { id, fence: tick(fence), number };
}

/** What is broken. */
export function kinds({ violations }: Verdict): string[] {
  return violations.map(({ kind }) => kind);
}
