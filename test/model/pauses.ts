/** Who gave a request back, and from when on that node may take it again, by lua/README.md#push_back. */
import type { GiveBack } from '../lua/wire.ts';
import type { Request } from './state.ts';

export interface Pause {
  node: string;
  /** ms. */
  until: number;
  /** How often the node has given it back. */
  count: number;
  elsewhere: boolean;
}

const FIRST_MS = 100;
const LONGEST_MS = 10_000;
const NODES = 16;

/** ms for which the node does not take it; 0: it may. Infinity: while another engine could. */
export function pausedFor(
  { pauses }: Pick<Request, 'pauses'>,
  node: string,
  now: number,
  isElsewhere: boolean,
): number {
  const own = pauses.find((one) => one.node === node);
  if (!own) return 0;
  if (own.elsewhere && isElsewhere && pauses.at(-1) === own) return Infinity;
  return Math.max(0, own.until - now);
}

/** The node gives it back. */
export function pause(request: Request, node: string, now: number, { after, elsewhere }: GiveBack): void {
  const count = request.pauses.find((one) => one.node === node)?.count ?? 0;
  const ms = after === '' ? Math.min(LONGEST_MS, FIRST_MS * 2 ** count) : after;
  if (ms === 0 && !elsewhere) return;
  const others = request.pauses.filter((one) => one.node !== node);
  const own = { node, until: now + ms, count: Math.min(255, count + 1), elsewhere };
  request.pauses = [...others, own].slice(-NODES);
}

/** As they stand at the end of a record. */
export function pausesText({ pauses }: Pick<Request, 'pauses'>): string {
  const hex = (value: number, width: number): string => value.toString(16).padStart(width, '0');
  return pauses
    .map(
      ({ node, until, count, elsewhere }) =>
        `/${hex(until, 12)}${hex(count, 2)}${elsewhere ? 'e' : '-'}${node}`,
    )
    .join('');
}
