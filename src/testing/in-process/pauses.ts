/** Who gave a request back, and from when on that node may take it again, by lua/README.md#push_back. */
import { hex } from '../../base/ticket.ts';

export interface Pause {
  node: string;
  /** ms. */
  until: number;
  /** How often the node has given it back. */
  count: number;
  /** elsewhere, not so, or lost. */
  mark: 'e' | '-' | 'l';
}

/** What may have been given back; the node that did last comes last. */
interface Paused {
  pauses: Pause[];
}

/** How a node gives a request back: for how many ms it does not take it, empty if it does not say. */
interface GivenBackFor {
  readonly after: number | '';
  readonly elsewhere: boolean;
}

const FIRST_MS = 100;
const LONGEST_MS = 10_000;
const NODES = 16;

/** ms for which the node does not take it; 0: it may. Infinity: while another engine could. */
export function pausedFor({ pauses }: Paused, node: string, now: number, isElsewhere: boolean): number {
  const own = pauses.find((one) => one.node === node);
  if (!own) return 0;
  if (own.mark === 'e' && isElsewhere && pauses.findLast(({ mark }) => mark !== 'l') === own) return Infinity;
  return Math.max(0, own.until - now);
}

/** The node gives it back. Whether it does not take it again yet. */
export function pause(
  request: Paused,
  node: string,
  now: number,
  { after, elsewhere }: GivenBackFor,
): boolean {
  const count = request.pauses.find((one) => one.node === node)?.count ?? 0;
  const ms = after === '' ? Math.min(LONGEST_MS, FIRST_MS * 2 ** count) : after;
  if (ms === 0 && !elsewhere) return false;
  append(request, {
    node,
    until: now + ms,
    count: Math.min(255, count + 1),
    mark: elsewhere ? 'e' : '-',
  });
  return true;
}

/** The node is lost with it. */
export function loseWith(request: Paused, node: string): void {
  const count = request.pauses.find((one) => one.node === node)?.count ?? 0;
  append(request, { node, until: 0, count, mark: 'l' });
}

function append(request: Paused, own: Pause): void {
  request.pauses = [...request.pauses.filter(({ node }) => node !== own.node), own].slice(-NODES);
}

/** Who had it, the last one last. */
export function nodesOf({ pauses, runner }: Paused & { readonly runner: string | undefined }): string[] {
  const back = pauses.map(({ node }) => node).filter((node) => node !== runner);
  return runner === undefined ? back : [...back, runner];
}

/** As they stand at the end of a record. */
export function pausesText({ pauses }: Paused): string {
  return pauses
    .map(({ node, until, count, mark }) => `/${hex(until, 12)}${hex(count, 2)}${mark}${node}`)
    .join('');
}
