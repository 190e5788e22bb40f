/** What a claim takes, by lua/README.md#claim: bounds, blocked owners, and the policies. */
import type { ClaimBounds } from '../lua/wire.ts';
import { byBytes, type Request, type ShardState } from './state.ts';

export interface Picked {
  request: Request;
  /** Its body is sent along. */
  bodied: boolean;
}

interface Line {
  owner: string;
  tickets: Request[];
  blocked: boolean;
}

class Picking {
  readonly picks: Picked[] = [];
  readonly lines = new Map<string, Line>();
  readonly #state: ShardState;
  readonly #bounds: ClaimBounds;
  #limit: number;
  #tokens = 0;
  #bytes = 0;
  #full = false;

  constructor(state: ShardState, bounds: ClaimBounds) {
    this.#state = state;
    this.#bounds = bounds;
    this.#limit = bounds.limit;
  }

  oldest(peers: readonly Line[]): void {
    const { rules, node } = this.#state;
    const own = this.line(node);
    for (;;) {
      const candidates = peers.filter((peer) => this.#open(peer) && this.#state.isStealable(peer.tickets));
      const [oldest] = candidates.sort((a, b) => orderOf(a) - orderOf(b) || byBytes(a.owner, b.owner));
      const mine = this.#open(own) ? own : undefined;
      const mineFirst = mine && (!oldest || orderOf(mine) <= orderOf(oldest) + rules.stealAfter * 1000);
      const next = mineFirst ? mine : oldest;
      if (!next) return;
      this.#take(next);
    }
  }

  own(): void {
    const own = this.line(this.#state.node);
    while (this.#open(own)) this.#take(own);
  }

  /** @param chosen the peer that gave something; all are tried if none did */
  lucky(peers: readonly Line[], chosen: string | undefined): void {
    if (this.picks.length > 0 || this.line(this.#state.node).blocked) return;
    this.#limit = Math.ceil(this.#limit / 2);
    const eligible = peers.filter((peer) => this.#state.isStealable(peer.tickets));
    for (const peer of eligible.filter(({ owner }) => chosen === undefined || owner === chosen)) {
      while (this.#open(peer)) this.#take(peer);
    }
  }

  line(owner: string): Line {
    const line = this.lines.get(owner) ?? { owner, tickets: this.#state.line(owner), blocked: false };
    this.lines.set(owner, line);
    return line;
  }

  #open(line: Line): boolean {
    return !this.#full && !line.blocked && line.tickets.length > 0;
  }

  #take(from: Line): void {
    const { alone, sum, total, bytes, since } = this.#bounds;
    const request = from.tickets[0]!;
    const own = from.owner === this.#state.node;
    const bodied = !own || request.ticket.slice(from.owner.length + 1, from.owner.length + 15) < since;
    const tokens = this.#tokens + request.tokens;
    if (request.deadline <= this.#state.now) {
      from.tickets.shift();
      this.#state.finish(request, 'expired', '');
    } else if (tokens > (this.picks.length === 0 ? alone : sum) || (!own && request.tokens > total)) {
      from.blocked = true;
    } else if (bodied && this.picks.length > 0 && this.#bytes + request.body.length > bytes) {
      this.#full = true;
    } else {
      from.tickets.shift();
      this.picks.push({ request, bodied });
      this.#tokens = tokens;
      if (bodied) this.#bytes += request.body.length;
      this.#full = this.picks.length === this.#limit;
    }
  }
}

function orderOf({ tickets }: Line): number {
  return tickets[0]!.order;
}

/** @param chosen the lucky peer: chance is not for the model to foresee */
export function pick(
  state: ShardState,
  bounds: ClaimBounds,
  chosen: string | undefined,
): { picks: Picked[]; blocked: boolean } {
  const picking = new Picking(state, bounds);
  const peers = state.loads().flatMap(([owner]) => (owner === state.node ? [] : [picking.line(owner)]));
  if (state.rules.policy === 'oldest') {
    picking.oldest(peers);
  } else {
    picking.own();
    if (state.rules.policy === 'lucky') picking.lucky(peers, chosen);
  }
  return { picks: picking.picks, blocked: [...picking.lines.values()].some(({ blocked }) => blocked) };
}
