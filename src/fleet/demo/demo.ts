/**
 * `sched-lua demo`, without its command line: a gateway, two workers and two engines that count, on a Redis; a client reads one
 * stream while the engine that serves it, and then the worker that serves it, are killed with SIGKILL. After " 17" comes " 18":
 * so it is known whether each token came once and in order.
 */
import { monotonic, sleep, unless } from '../../base/clock.ts';
import { SchedulerError } from '../../base/errors.ts';
import { startRedis } from '../../testing/redis/start.ts';
import { Children, type Child } from './children.ts';
import { Client } from './client.ts';

export const TOKENS = 600;
/** ms from one token of an engine to the next. */
const TOKEN_MS = 20;
/** The engine is killed after so many tokens, and the worker so many after the engine is back. */
const FIRST = 40;
const NEXT = 40;
const LEASE_S = 2;
const LOOK_MS = 50;
const START_MS = 60_000;
const MODEL = 'counting';

export interface Kill {
  what: string;
  afterToken: number;
}

export interface DemoReport {
  redis: string;
  tokens: number;
  kills: Kill[];
  exact: boolean;
  /** Undefined: it is exact. */
  wrong?: string;
  longestSilenceMs: number;
  ms: number;
}

export interface DemoParts {
  /** A Redis to use; undefined: a private one is started. */
  url: string | undefined;
  env: Readonly<NodeJS.ProcessEnv>;
  /** More flags of the commands, about Redis. */
  flags: readonly string[];
  /** Told of each token, and of what happens. */
  token: (token: string) => void;
  tell: (line: string) => void;
  /** Told where a private Redis is looked for. */
  log: (line: string) => void;
  /** Fires when the demo is to stop. */
  stop: AbortSignal;
}

/**
 * @returns undefined: it was stopped
 * @throws SchedulerError if a part does not start; Error if no Redis can be started
 */
export async function runDemo(parts: DemoParts): Promise<DemoReport | undefined> {
  const { url, env, log, stop } = parts;
  const redis = url === undefined ? await startRedis({ log }) : undefined;
  const children = new Children({ ...env, SCHED_LUA_REDIS_URL: url ?? redis!.url });
  const late = AbortSignal.any([stop, AbortSignal.timeout(START_MS)]);
  try {
    const fleet = await Fleet.start(children, parts, late);
    return await show(fleet, redis?.description ?? 'the Redis of the given URL', parts);
  } catch (error) {
    if (stop.aborted) return undefined;
    if (!late.aborted) throw error;
    throw new SchedulerError('TIMEOUT', 'demo', `the demo did not start within ${START_MS / 1_000} s`);
  } finally {
    await children.close();
    await redis?.stop();
  }
}

/** An engine, and the worker beside it. */
interface Pair {
  engine: Child;
  port: string;
  worker: Child;
  /** Where the worker tells how it is. */
  operators: string;
}

class Fleet {
  readonly #children: Children;
  readonly pairs: Pair[];
  readonly gateway: string;

  private constructor(children: Children, pairs: Pair[], gateway: string) {
    this.#children = children;
    this.pairs = pairs;
    this.gateway = gateway;
  }

  static async start(children: Children, { flags }: DemoParts, late: AbortSignal): Promise<Fleet> {
    const fleet = `demo-${process.pid}-${Date.now().toString(36)}`;
    const common = [...flags, '--fleet', fleet];
    const off = ['--metrics-listen', 'off', '--keepalive', '1s'];
    const gateway = children.start('gateway', ['gateway', ...common, '--listen', '127.0.0.1:0', ...off]);
    const pair = async (number: number): Promise<Pair> => {
      const engine = engineOf(children, number);
      const port = await engine.says(/listens on port (\d+)/, late);
      const worker = children.start(`worker-${number}`, [
        ...['worker', ...common, '--engine', `http://127.0.0.1:${port}`, '--name', `worker-${number}`],
        ...['--slots', '8', '--lease', `${LEASE_S}s`, '--probe', '200ms', '--metrics-listen', '127.0.0.1:0'],
      ]);
      await worker.says(/ serves counting of /, late);
      return { engine, port, worker, operators: await worker.says(/\/metrics on (http:\S+)/, late) };
    };
    const [address, ...pairs] = await Promise.all([
      gateway.says(/ listens on (http:\S+)/, late),
      pair(1),
      pair(2),
    ]);
    return new Fleet(children, pairs, address);
  }

  /** The pair whose engine runs the stream; undefined: none does now. */
  async serving(): Promise<Pair | undefined> {
    for (const pair of this.pairs) {
      const text = await pageOf(`http://127.0.0.1:${pair.port}/metrics`);
      if (/^vllm:num_requests_running\S* 1/m.test(text ?? '')) return pair;
    }
    return undefined;
  }

  /** Starts the engine of a pair again, as its host would, and waits until its worker believes in it. */
  async revive(pair: Pair, over: AbortSignal): Promise<void> {
    pair.engine = engineOf(this.#children, this.pairs.indexOf(pair) + 1, pair.port);
    await pair.engine.says(/listens on port/, over);
    while ((await pageOf(`${pair.operators}/ready`)) === undefined) {
      over.throwIfAborted();
      await sleep(LOOK_MS, over);
    }
  }
}

function engineOf(children: Children, number: number, port = '0'): Child {
  return children.start(`engine-${number}`, ['demo-engine', port, String(TOKEN_MS)]);
}

/** The text of a page; undefined: there is none, or it says that something is not well. */
async function pageOf(url: string): Promise<string | undefined> {
  try {
    const response = await fetch(url, {
      headers: { connection: 'close' },
      signal: AbortSignal.timeout(2_000),
    });
    const text = await response.text();
    return response.ok ? text : undefined;
  } catch {
    return undefined;
  }
}

async function show(fleet: Fleet, redis: string, parts: DemoParts): Promise<DemoReport> {
  const { tell, token, stop } = parts;
  tell(`${redis}; a gateway, two workers, two engines that count`);
  tell(`the client asks for ${TOKENS} tokens`);
  const from = monotonic();
  const client = new Client();
  client.onToken = token;
  const ended = new AbortController();
  const over = AbortSignal.any([stop, ended.signal]);
  const reading = client.run(fleet.gateway, MODEL, TOKENS, stop).finally(() => ended.abort());
  const kills = await killAll(fleet, client, over, tell);
  await reading;
  stop.throwIfAborted();
  const wrong = kills.length < 2 ? 'the stream had ended before both were killed' : client.wrong(TOKENS);
  return {
    ...{ redis, tokens: client.count, kills, exact: wrong === undefined },
    ...(wrong === undefined ? {} : { wrong }),
    ...{ longestSilenceMs: Math.round(client.longestSilenceMs), ms: Math.round(monotonic() - from) },
  };
}

/** Kills the engine that serves, revives it, and kills the worker that serves then. */
async function killAll(
  fleet: Fleet,
  client: Client,
  over: AbortSignal,
  tell: (line: string) => void,
): Promise<Kill[]> {
  const kills: Kill[] = [];
  const kill = async (of: 'engine' | 'worker', how: string): Promise<Pair> => {
    const pair = await servingOf(fleet, over);
    await pair[of].kill();
    kills.push({ what: pair[of].name, afterToken: client.count });
    tell(`${pair[of].name}, which serves it, is killed (SIGKILL) after token ${client.count}${how}`);
    return pair;
  };
  try {
    await tokens(client, FIRST, over);
    const pair = await kill('engine', '');
    await unless(over, fleet.revive(pair, over));
    tell(`${pair.engine.name} is back`);
    await tokens(client, client.count + NEXT, over);
    await kill('worker', `: its lease ends in at most ${LEASE_S} s`);
  } catch (error) {
    // the stream has ended, or the demo was stopped
    if (!over.aborted) throw error;
  }
  return kills;
}

async function tokens(client: Client, least: number, over: AbortSignal): Promise<void> {
  while (client.count < least) {
    over.throwIfAborted();
    await sleep(LOOK_MS, over);
  }
}

async function servingOf(fleet: Fleet, over: AbortSignal): Promise<Pair> {
  for (;;) {
    over.throwIfAborted();
    const pair = await fleet.serving();
    if (pair) return pair;
    await sleep(LOOK_MS, over);
  }
}
