// The actions of the model test (test/model/actions.ts), done to schedulers instead of scripts. What is said of them is what a
// program can see, and does not depend on when it happens: the order of claims, statuses, refusals, and how each request ended.
import type { Budget, ClaimedRequest, Result, RunnerResult, Scheduler } from '../../src/index.ts';
import type { Action } from '../model/actions.ts';
import type { Rules } from '../model/state.ts';
import { sleep } from '../../src/base/clock.ts';
import type { GiveBack } from '../lua/wire.ts';
import { isFinal } from '../../scripts/lib/harness/happenings.ts';
import { waitUntil } from '../support/server.ts';
import type { World } from './worlds.ts';

interface Item {
  id: string;
  tokens: number;
  body: string;
}

const OF_PROGRAM = ['put', 'flood', 'claim', 'pushBack', 'putResults', 'cancel', 'reset'] as const;
type OfProgram = Extract<Action, { do: (typeof OF_PROGRAM)[number] }>;

/** Takes, refreshes and resends are the scheduler's own; time, deaths and takeovers need the time of a lease. */
export function isOfProgram(one: Action): one is OfProgram {
  return (OF_PROGRAM as readonly string[]).includes(one.do);
}

interface Life {
  node: Scheduler<Item, string>;
  held: ClaimedRequest<Item>[];
}

const POLL_MS = 10;
/** More than the time from one poll to the next. */
const PAUSE_MS = 1.5 * POLL_MS;
/** Nothing comes of age while a run lasts, and no claim is lost. */
const LONG_MS = 30_000;
/** With a head start of 100 s a request counts as one that has waited so long. */
const NO_PATIENCE_ENDS_MS = 2 ** 31 - 1;

export class Steps {
  /** What was seen, in the order of the actions. */
  readonly said: string[] = [];
  /** Per accepted request and in their order, what its owner was told. */
  readonly told: { id: string; results: string[]; hasEnded: boolean }[] = [];
  readonly #world: World;
  readonly #lives: Life[] = [];
  readonly #reads: Promise<void>[] = [];
  /** Results that were accepted from runners, and those of them that their owners have been told. */
  #sent = 0;
  #arrived = 0;
  readonly #cancels: { id: string; node: string; cancel: () => Promise<void> }[] = [];
  /** What another run said, action by action: a claim that gave something there is waited for. */
  readonly #expected: readonly string[] | undefined;

  constructor(world: World, expected?: readonly string[]) {
    this.#world = world;
    this.#expected = expected;
  }

  async begin(names: readonly string[], rules: Rules, maxWaiting: number): Promise<void> {
    const { policy, minLoad, loadUnit, stealAfter } = rules;
    for (const name of names) {
      const node = await this.#world.start<Item, string>(name, {
        ...{ policy, loadUnit, maxWaiting, minLoadScore: minLoad },
        ...{ stealAfterMs: stealAfter < LONG_MS ? 0 : LONG_MS },
        ...{ leaseMs: LONG_MS, keepAliveMs: LONG_MS, patienceMs: NO_PATIENCE_ENDS_MS, pollMs: POLL_MS },
        ...{ idOf: ({ id }: Item) => id, promptTokensOf: ({ tokens }: Item) => tokens },
      });
      node.events.on('news', () => (this.#arrived += 1));
      this.#lives.push({ node, held: [] });
    }
  }

  async act(one: OfProgram): Promise<void> {
    const life = this.#lives[one.who % this.#lives.length]!;
    switch (one.do) {
      case 'put': {
        for (const { id, tokens = 0, headStart = 0, deadline, body } of one.items) {
          const item = { id, tokens, body: Buffer.from(body).toString('latin1') };
          await this.#submit(life, item, Math.abs(headStart) < 1_000 ? 0 : headStart, deadline === 0);
        }
        return;
      }
      case 'flood':
        return this.#flood(life, one.count);
      case 'claim':
        return this.#claim(life, one);
      case 'pushBack':
        return this.#giveBack(life, one.which, one.how);
      case 'putResults':
        return this.#putResults(life, one.which, one.kinds);
      case 'cancel':
        return this.#cancel(one.which);
      case 'reset':
        return this.#reset(life);
    }
  }

  async #submit({ node }: Life, item: Item, priority: number, isLate: boolean): Promise<void> {
    const answer = node.submit(item, { priority, ...(isLate ? { deadlineMs: 0 } : {}) });
    const [name, results]: [string, string[]] = [`${node.node} puts ${item.id}`, []];
    const told = { id: name, results, hasEnded: false };
    const settled = new Promise<string>((resolve) => {
      const accepted = (): void => resolve('accepted');
      node.events.once('accepted', accepted);
      this.#reads.push(
        this.#read(answer, told).catch((error: unknown) => {
          node.events.off('accepted', accepted);
          resolve((error as { code: string }).code);
        }),
      );
    });
    const outcome = await settled;
    this.said.push(`${name}: ${outcome}`);
    if (outcome !== 'accepted') return;
    this.told.push(told);
    this.#cancels.push({ id: item.id, node: node.node, cancel: () => answer.cancel() });
  }

  async #flood({ node }: Life, count: number): Promise<void> {
    const items = Array.from({ length: count }, (_, i) => ({ id: `f${i}`, tokens: 1, body: 'f' }));
    const outcomes = await node.putRequests(items);
    this.said.push(`${node.node} floods ${outcomes.map(({ error }) => error?.code ?? 'ok').join(' ')}`);
    for (const { id, error } of outcomes)
      if (!error) this.told.push({ id: `${node.node} floods ${id}`, results: [], hasEnded: false });
  }

  async #claim(life: Life, { limit, alone, sum }: Action & { do: 'claim' }): Promise<void> {
    const budget: Budget = {
      ...{ availableBlocks: alone, totalBlocks: 5_000, blockSize: 1, reservedOutputBlocks: 0 },
      ...{ maxNumBatchedTokens: sum, batch: limit },
    };
    if (limit > 0) life.held.push(...(await this.#take(life.node, budget)));
  }

  /** A look that finds nothing is made again when a poll is due, which finds what no ring told of. */
  async #take(node: Life['node'], budget: Budget): Promise<ClaimedRequest<Item>[]> {
    const nothing = `${node.node} claims nothing`;
    const isThere = (this.#expected?.[this.said.length] ?? nothing) !== nothing;
    let claims = await node.getRequests(budget, { waitMs: isThere ? 10_000 : 0 });
    if (claims.length === 0) {
      await sleep(PAUSE_MS);
      claims = await node.getRequests(budget, { waitMs: 0 });
    }
    const each = claims.map(({ id, owner, attempt, request }) =>
      [owner, id, attempt, request.body.length].join('|'),
    );
    this.said.push(claims.length === 0 ? nothing : `${node.node} claims ${each.join(' ')}`);
    return claims;
  }

  /** A pause either ends at once or outlasts the run, and no last try is used: what ends so is told by itself. */
  async #giveBack(life: Life, which: readonly number[], how: GiveBack): Promise<void> {
    const back = chosen(life.held, which);
    const pause = how.after === 0 ? { afterMs: 0 } : { afterMs: LONG_MS, elsewhere: how.elsewhere };
    for (const one of back) await one.giveBack({ ...pause, countTry: how.counted && one.attempt === 1 });
    life.held = life.held.filter((one) => !back.includes(one));
  }

  async #putResults(life: Life, which: readonly number[], kinds: readonly string[]): Promise<void> {
    if (life.held.length === 0) return;
    const results = which.map((n, i): RunnerResult<string> => {
      const { claim } = life.held[n % life.held.length]!;
      if (kinds[i] === 'failed') return { claim, failed: `r${i}` };
      const output = `r${i}`;
      return kinds[i] === 'finished' ? { claim, output, finished: true } : { claim, output };
    });
    await this.#send(life, 'sends', results);
  }

  /** Waits until the owners have been told: in Redis results are on their way, and a reset would drop them. */
  async #send({ node }: Life, what: string, results: readonly RunnerResult<string>[]): Promise<void> {
    const statuses = await node.putResults(results);
    this.said.push(`${node.node} ${what} ${statuses.join(' ')}`);
    this.#sent += statuses.filter((status) => status === 'ok').length;
    await waitUntil(() => this.#arrived >= this.#sent, 'the owners have been told', 20_000);
  }

  /** What it drops of a flood it does not tell: the ids are its answer. */
  async #reset({ node }: Life): Promise<void> {
    const arrived = this.#arrived;
    this.said.push(`${node.node} resets ${(await node.reset()).sort().join(' ')}`);
    this.#arrived = arrived;
    for (const one of this.told)
      if (one.id.startsWith(`${node.node} floods`)) Object.assign(one, { results: [], hasEnded: true });
  }

  async #cancel(which: readonly number[]): Promise<void> {
    for (const { id, node, cancel } of chosen(this.#cancels, which)) {
      await cancel();
      this.said.push(`${node} cancels ${id}`);
    }
  }

  /** Everything that waits or runs is finished, node by node. */
  async drain(): Promise<void> {
    const room = {
      availableBlocks: 100_000,
      blockSize: 1,
      reservedOutputBlocks: 0,
      maxNumBatchedTokens: 100_000,
    };
    for (const { node, held } of this.#lives) {
      for (;;) {
        held.push(...(await this.#take(node, { ...room, totalBlocks: 100_000, batch: 8 })));
        if (held.length === 0) break;
        const results = held
          .splice(0)
          .map(({ claim }) => ({ claim, output: 'drained', finished: true }) as const);
        await this.#send({ node, held }, 'drains', results);
      }
    }
    // what is paused for every node
    for (const life of this.#lives) await this.#reset(life);
    await waitUntil(
      () => this.told.every((one) => one.hasEnded || this.#isNews(one)),
      'all have ended',
      20_000,
    );
    await Promise.all(this.#reads);
  }

  /** What a flood was told comes as news; of two with the same id, the first has ended before the second was put. */
  #isNews(one: Steps['told'][number]): boolean {
    for (const { node } of this.#lives) {
      for (const [id, results] of node.getResults()) {
        for (const result of results) {
          const open = this.told.find((each) => each.id === `${node.node} floods ${id}` && !each.hasEnded);
          if (open) tell(open, result);
        }
      }
    }
    return one.hasEnded;
  }

  async #read(answer: AsyncIterable<Result<string>>, told: Steps['told'][number]): Promise<void> {
    for await (const result of answer) {
      tell(told, result);
      if (result.kind === 'chunk' || result.kind === 'finished' || result.kind === 'failed')
        this.#arrived += 1;
    }
  }
}

function tell(told: Steps['told'][number], result: Result<string>): void {
  told.results.push([result.kind, result.output ?? '', result.reason ?? ''].join(':'));
  told.hasEnded ||= isFinal(result);
}

/** Those of `all` that the numbers name, each once. */
function chosen<T>(all: readonly T[], numbers: readonly number[]): T[] {
  return all.length === 0 ? [] : [...new Set(numbers.map((n) => all[n % all.length]!))];
}
