/** One real shard and its model: each script runs on both, and all that it answers and leaves behind is compared. */
import { deepStrictEqual, ok } from 'node:assert/strict';
import { checkInvariants } from '../../src/inspect/invariants.ts';
import { type ShardSnapshot, readSnapshot } from '../../src/inspect/snapshot.ts';
import { shardKeys, wakePrefix } from '../../src/base/keys.ts';
import { runScript, type Argument, type Client } from '../../src/redis/run-script.ts';
import { NO_TICK, type Tick, type Ticket } from '../../src/base/ticket.ts';
import type { SeenTicks } from '../../src/protocol/seen-ticks.ts';
import { START } from '../lua/view.ts';
import { callerArgs, headOf, type Held, type ShardScript } from '../lua/wire.ts';
import { ShardModel } from './model.ts';
import type { Rules } from './state.ts';
import { foreseenTables, realTables } from './tables.ts';

/** A call gives no more. */
const MOST_TICKS = 1_000;

export type Lane = 'put' | 'claim' | 'result';

/** One life of a node: it knows what a client process knows. */
export interface Life {
  node: string;
  epoch: number;
  ttl: number;
  lanes: Record<Lane, number>;
  seen: SeenTicks;
  /** Tick of the last entry that it has, and totals of the last with chunks. */
  cursor: string;
  mark: Tick;
  /** Number of the last call with results that was answered. */
  last: number;
  held: Held[];
  pending: Ticket[];
  /** Tickets whose final it has been told, by results or by its own lane. */
  told: Set<Ticket>;
  calls: Call[];
}

/** A script call that can be sent again, also late. */
export interface Call {
  script: ShardScript;
  life: Life;
  lane?: Lane;
  number: number;
  own: Argument[];
  /** What the model answers: the reply from its third element on, as text. */
  foresee: (model: ShardModel, reply: readonly Buffer[]) => string[];
  /** A word that refuses the call, which then does nothing. */
  refuse?: (model: ShardModel, isNew: boolean) => string | undefined;
}

export class Twin {
  readonly model: ShardModel;
  now = START;
  /** ms of the nodes' clocks, which no step sets back. */
  passed = 0;
  steps = 0;
  readonly #client: Client;
  readonly #topic: string;
  /** `out` as the last step left it. */
  #out: readonly Buffer[] = [];
  /** The shard's, as the last step left it. */
  #tick = 0;

  constructor(client: Client, topic: string, rules: Rules) {
    this.#client = client;
    this.#topic = topic;
    this.model = new ShardModel(rules);
  }

  pass(ms: number): void {
    this.now += ms;
    this.passed += Math.max(0, ms);
  }

  async send({ script, life, lane, number, own, foresee, refuse }: Call): Promise<Buffer[]> {
    this.steps += 1;
    const { lease, policy, minLoad, loadUnit, stealAfter } = this.model.rules;
    const { node, epoch, seen, ttl } = life;
    const args = callerArgs({
      ...{
        node,
        epoch,
        seen: seen.floor(this.passed),
        clock: this.now,
        ttl,
        lease,
        wake: wakePrefix(this.#topic),
        number: 0,
      },
      ...{ policy, minLoad, loadUnit, stealAfter, laneCall: lane ? number : '' },
    });
    const from = this.model.tickFrom(this.now, this.#tick, parseInt(seen.floor(this.passed), 16));
    const running = runScript(this.#client, 'auto', script, shardKeys(this.#topic, 0), [...args, ...own]);
    const [reply, snapshot] = await Promise.all([running, this.snapshot()]);
    this.model.boxIds = new Map(
      [...snapshot.calls]
        .filter(([field]) => field.endsWith('|box'))
        .map(([field, text]) => [field.slice(0, -4), text.slice(14, 28)]),
    );
    const refused = this.model.enter(life, this.now, lane, number, (isNew) => refuse?.(this.model, isNew));
    const real = reply.map((part) => part.toString('latin1'));
    const evicted = real[0] === 'EVICTED' || real[0] === 'STALE';
    if (refused) {
      deepStrictEqual([script, real[0], ...real.slice(evicted ? 1 : 2)], [script, ...refused]);
    } else {
      ok(!evicted, `${script} is not refused`);
      const foreseen = foresee(this.model, reply);
      deepStrictEqual([script, ...real.slice(2)], [script, ...foreseen]);
      if (lane) this.model.leave(lane, number, foreseen[0]!);
    }
    if (!evicted) {
      const given = parseInt(real[1]!, 16) - from;
      ok(given >= 0 && given <= MOST_TICKS, `${given} ticks after what ${script} begins with`);
      seen.see(real[1]!, this.passed);
    }
    this.#tick = parseInt(snapshot.state.get('tick') ?? '0', 16);
    const foreseenOf = foreseenTables(this.model);
    // one by one: a difference of all would be cut
    for (const [table, rows] of Object.entries(realTables(snapshot)))
      deepStrictEqual({ script, [table]: rows }, { script, [table]: foreseenOf[table] });
    deepStrictEqual(
      [script, ...checkInvariants(snapshot, { loadUnit: this.model.rules.loadUnit })],
      [script],
    );
    this.#out = snapshot.out;
    return reply;
  }

  /** How many entries from the front of a mailbox are at or before the cursor; undefined: it does not stand. */
  confirmed(node: string, cursor: string): number | undefined {
    const before = this.#out.map(headOf).filter(({ owner, tick }) => owner === node && tick <= cursor);
    if (cursor === NO_TICK) return 0;
    return before.at(-1)?.tick === cursor.slice(0, 14) ? before.length : undefined;
  }

  snapshot(): Promise<ShardSnapshot> {
    return readSnapshot(this.#client, this.#topic, 0);
  }
}
