/**
 * Script tables: a shard is seeded, one script runs at a fixed time, and the shard's whole keyspace is compared before
 * and after. Each row runs its script twice with the same arguments, which is what a resend is.
 */
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { parseRecord } from '../../src/inspect/decode.ts';
import { checkInvariants } from '../../src/inspect/invariants.ts';
import { type ShardSnapshot, readSnapshot } from '../../src/inspect/snapshot.ts';
import { shardKey, shardKeys, wakePrefix, type ShardTable } from '../../src/base/keys.ts';
import { openClient } from '../../src/redis/connection.ts';
import { runScript, type Argument, type Client } from '../../src/redis/run-script.ts';
import { SCRIPTS, type ScriptName } from '../../src/redis/declarations.ts';
import { joinTicket, NO_TICK, type Tick, type Ticket } from '../../src/base/ticket.ts';
import { freshTopic, redisUrl, waitUntil } from '../support/server.ts';
import { marksBehind, marksOf, takenBehind, takenOf } from './marks.ts';
import { START, changes, showReply, viewOf, type Changes, type View } from './view.ts';
import {
  callerArgs,
  hexOf,
  parseClaims,
  parseResults,
  type Call,
  type Caller,
  type LoadUnit,
  type ShardScript,
} from './wire.ts';

export type { Call };

export const LANES: Partial<Record<ScriptName, string>> = {
  put_requests: 'put',
  claim: 'claim',
  put_results: 'result',
  reset: 'put',
};

/** Every status word that a row has produced. */
const produced = new Map<ScriptName, Set<string>>();

export function noteStatus(script: ScriptName, words: readonly string[]): void {
  const known: readonly string[] = SCRIPTS[script].status;
  const set = produced.get(script) ?? new Set();
  produced.set(script, set);
  for (const word of words) if (known.includes(word)) set.add(word);
}

/**
 * Call in a script's describe: a status word that no row produced is a status word that nobody tests. Looked at after the
 * rows, in whatever order they ran; not when some were left out (`--grep`) or failed, which says more.
 */
export function statusWordsOf(script: ScriptName): void {
  after(`each STATUS word of ${script} has been produced by a row`, function () {
    const rows: Mocha.Test[] = [];
    this.test!.parent!.eachTest((row) => void rows.push(row));
    if (!rows.every((row) => row.isPassed())) return;
    // STALE is every shard script's by its guards, and can only be answered on a lane
    const words = SCRIPTS[script].status.filter((word) => word !== 'STALE' || script in LANES);
    expect([...(produced.get(script) ?? [])].sort()).to.deep.equal([...new Set(words)].sort());
  });
}

export interface Expected {
  /** See {@link showReply}. */
  reply: string[];
  /** What the first run changed in the keyspace; default: nothing. */
  changes?: Changes;
  /** Wake-ups of the first run, `node: message`, in any order; default: none. */
  rings?: string[];
  /** The reply of the second run, if it is neither the same nor (on a lane) the remembered answer. */
  repeat?: string[];
  /** The row is about a damaged shard: invariants are not checked. */
  damaged?: boolean;
}

export type Options = Partial<Omit<Caller, 'laneCall'>> & {
  /** ms after START; default: the shard's `at`. */
  at?: number;
  /** Default: one more than the node's last on the lane. */
  lane?: number;
};

let client: Client;
let ears: Redis;
let wake: string;
const heard: string[] = [];

/** Registers the connections of a script's tests; call first in its describe. */
export function connections(url: () => string = redisUrl): void {
  before(async () => {
    client = openClient(url());
    ears = new Redis(url());
    // one character a byte: an entry that a wake-up carries is no text
    ears.on('pmessageBuffer', (_pattern: Buffer, to: Buffer, message: Buffer) => {
      const channel = to.toString();
      heard.push(`${channel.slice(channel.lastIndexOf(':wake:') + 6)}: ${message.toString('latin1')}`);
    });
    // of this run only: others may use the server too
    wake = wakePrefix(freshTopic().replace(/\d+$/, '*'));
    await ears.psubscribe(`${wake}*`);
  });
  // what the test before rang is none of the next one's business
  beforeEach(() => wakeUps());
  after(() => {
    client.disconnect();
    ears.disconnect();
  });
}

export function connection(): Client {
  return client;
}

/** Wake-ups since the last call of this, on all topics of this run. */
export async function wakeUps(): Promise<string[]> {
  const mark = `mark ${Math.random()}`;
  await client.publish(`${wake}-`, mark);
  await waitUntil(() => heard.at(-1) === `-: ${mark}`, 'the subscriber has caught up');
  return heard.splice(0).filter((line) => !line.startsWith('-: '));
}

export class TestShard {
  readonly topic: string;
  readonly number: number;
  /** What calls are told unless they say otherwise. */
  readonly defaults: Options;
  /** ms after START. */
  at = 0;
  /** Scripts run over maxmemory. Nothing else does: a server over maxmemory refuses transactions, also of reads. */
  starved = false;
  readonly #lanes = new Map<string, number>();
  /** By node, what its answers say: its mark, and the last call with results that was answered under its last epoch. */
  readonly #runners = new Map<string, { mark: Tick; last: number; epoch: string }>();

  constructor(defaults: Options = {}, topic = freshTopic(), number = 0) {
    this.defaults = defaults;
    this.topic = topic;
    this.number = number;
  }

  call(script: ShardScript, node: string, own: readonly Argument[], options: Options = {}): Call {
    const caller: Caller = {
      ...{
        node,
        epoch: 1,
        // some, long ago: a caller that has seen none leads, while time stands still
        seen: hexOf(1, 14),
        clock: START + (options.at ?? this.at),
        ttl: 900_000,
        lease: 30_000,
      },
      ...{ wake: wakePrefix(this.topic), number: this.number, policy: 'oldest', minLoad: 3, stealAfter: 50 },
      loadUnit: 'requests',
      ...{ ...this.defaults, ...options, laneCall: this.#laneCall(script, node, options) },
    };
    return { script, args: [...callerArgs(caller), ...own] };
  }

  #laneCall(script: ShardScript, node: string, options: Options): number | '' {
    const lane = LANES[script];
    if (lane === undefined) return '';
    const key = `${node}|${lane}|${options.epoch ?? this.defaults.epoch ?? 1}`;
    const number = options.lane ?? (this.#lanes.get(key) ?? 0) + 1;
    this.#lanes.set(key, number);
    return number;
  }

  /** Runs a call once, to seed. */
  async run(call: Call): Promise<Buffer[]> {
    const keys = shardKeys(this.topic, this.number);
    if (this.starved) await client.config('SET', 'maxmemory', '1');
    const reply = await runScript(client, 'auto', call.script, keys, call.args).finally(async () => {
      if (this.starved) await client.config('SET', 'maxmemory', '0');
    });
    const said =
      call.script === 'put_results' && reply.length > 2
        ? parseResults(reply[2]!, Number(String(call.args[16]))).words
        : (reply[2] ?? '');
    const words = [reply[0]!, said].flatMap((part) => String(part).split(/[ ,]/));
    noteStatus(call.script, words);
    this.#learn(call, reply);
    return reply;
  }

  runner(node: string): { mark: Tick; last: number } {
    return this.#runners.get(node) ?? { mark: NO_TICK, last: 0 };
  }

  #learn({ script, args }: Call, reply: readonly Buffer[]): void {
    const [node, epoch] = [String(args[0]), String(args[1])];
    if (reply.length < 3 || (script !== 'claim' && script !== 'put_results')) return;
    const { mark, last, epoch: before } = this.#runners.get(node) ?? { mark: NO_TICK, last: 0, epoch };
    const isResults = script === 'put_results';
    const learnt = isResults ? parseResults(reply[2]!).mark : parseClaims(reply[2]!).at(-1)?.fence;
    this.#runners.set(node, {
      mark: learnt === undefined || learnt < mark ? mark : learnt,
      last: isResults ? parseInt(String(args[12]), 16) : epoch === before ? last : 0,
      epoch,
    });
  }

  key(table: ShardTable): string {
    return shardKey(this.topic, this.number, table);
  }

  snapshot(): Promise<ShardSnapshot> {
    return readSnapshot(client, this.topic, this.number);
  }

  async view(): Promise<View> {
    return viewOf(await this.snapshot());
  }

  /** Ticket and fence of every request, by `owner|id`; one that waits has NO_TICK. */
  async requests(): Promise<Map<string, { ticket: Ticket; fence: Tick }>> {
    const { request } = await this.snapshot();
    const one = (field: string, text: string): [string, { ticket: Ticket; fence: Tick }] => {
      const { stamp, fence = NO_TICK } = parseRecord(text)!;
      const bar = field.indexOf('|');
      return [field, { ticket: joinTicket(field.slice(0, bar), stamp, field.slice(bar + 1)), fence }];
    };
    return new Map([...request].map(([field, text]) => one(field, text)));
  }

  /** Ticket and fence of `owner|id`. */
  async held(field: string): Promise<{ ticket: Ticket; fence: Tick }> {
    const found = (await this.requests()).get(field);
    if (!found) throw new Error(`no request ${field}`);
    return found;
  }

  async ticket(field: string): Promise<Ticket> {
    return (await this.held(field)).ticket;
  }

  /** Runs a call twice and checks its answers, its wake-ups, and all that it changed. */
  async row(call: Call, expected: Expected): Promise<void> {
    await wakeUps();
    const before = await this.snapshot();
    const reply = await this.run(call);
    const [rings, after] = [await wakeUps(), await this.snapshot()];
    const groups = call.script === 'put_results' ? Number(call.args[16]) : 0;
    expect(showReply(call.script, reply, groups), 'reply').to.deep.equal(expected.reply);
    expect(rings.sort(), 'wake-ups').to.deep.equal([...(expected.rings ?? [])].sort());
    expect(this.#changes(call, reply, before, after), 'changes').to.deep.equal(expected.changes ?? {});

    const again = await this.run(call);
    const [later, laterRings] = [await this.snapshot(), await wakeUps()];
    const onLane = LANES[call.script] !== undefined;
    if (onLane && reply.length > 2) {
      expect([again.length, String(again[0])], 'remembered').to.deep.equal([3, 'OK']);
      expect(again[2], 'remembered answer').to.deep.equal(reply[2]);
    } else {
      const repeat = expected.repeat ?? expected.reply;
      expect(showReply(call.script, again, groups), 'reply of the second run').to.deep.equal(repeat);
    }
    expect(laterRings, 'wake-ups of the second run').to.deep.equal([]);
    const more = changes(viewOf(after), viewOf(later));
    if (onLane) expect(later, 'keyspace after a resend').to.deep.equal({ ...after, now: later.now });
    else expect(withoutTick(more), 'changes of the second run').to.deep.equal({});
    if (expected.damaged) return;
    expect(checkInvariants(later, this.#unit), 'invariants').to.deep.equal([]);
    expect(marksOf(after), 'marks').to.deep.equal(marksBehind(call, reply, before));
    expect(takenOf(after.calls), 'taken').to.deep.equal(takenBehind(call, reply, before, after));
  }

  get #unit(): { loadUnit: LoadUnit } {
    return { loadUnit: this.defaults.loadUnit ?? 'requests' };
  }

  /** The changes, but for the lane's remembered answer and the tick: these follow from the reply, and are checked. */
  #changes(call: Call, reply: Buffer[], before: ShardSnapshot, after: ShardSnapshot): Changes {
    const [was, is] = [viewOf(before), viewOf(after)];
    const lane = LANES[call.script];
    const field = `${String(call.args[0])}|${lane}`;
    if (lane && reply.length > 2) {
      expect(after.calls.get(field), 'remembered answer').to.equal(
        `${String(call.args[12])}${String(reply[2])}`,
      );
      for (const view of [was, is]) view.lanes = without(view.lanes, field);
    }
    const found = changes(was, is);
    const tick = after.state.get('tick');
    if (tick !== before.state.get('tick')) {
      expect(tick! >= String(reply[1]), `tick ${tick!} kept, ${String(reply[1])} answered`).to.equal(true);
      expect(tick! > (before.state.get('tick') ?? ''), 'the tick grows').to.equal(true);
    }
    return withoutTick(found);
  }
}

function withoutTick({ state, ...others }: Changes): Changes {
  const rest = without((state ?? {}) as Record<string, number>, 'tick');
  return Object.keys(rest).length > 0 ? { ...others, state: rest } : others;
}

function without<T>(record: Record<string, T>, key: string): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([name]) => name !== key));
}

/** A tick as the scripts print it, µs after START. */
export function tickAt(us: number): Tick {
  return hexOf(START * 1000 + us, 14);
}
