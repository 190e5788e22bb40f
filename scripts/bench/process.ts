/** The program of a side: it does what its parent orders, and tells what that cost it. */
import { obeyParent, type RunNode } from '../lib/harness/orders.ts';
import { ClaimOwner, idlePeer } from './claims.ts';
import { acknowledged } from './contenders/acknowledged.ts';
import { bullmq, bullmqEvents } from './contenders/bullmq.ts';
import { lists } from './contenders/lists.ts';
import { oneScript } from './contenders/one-script.ts';
import { ours, ownStreams } from './contenders/ours.ts';
import type { Contender, ContenderName, Place } from './contenders/port.ts';
import { redisStreams } from './contenders/redis-streams.ts';
import { reference } from './contenders/reference.ts';
import { LifecycleOwner, LifecycleRunner } from './lifecycles.ts';
import { bystander, type Side, type Told } from './side.ts';
import { OwnStreams, StreamReader, StreamWriter } from './streams.ts';

export interface SideSettings extends Place {
  contender: ContenderName;
}

export type SideOrder =
  | { order: 'open'; round: number }
  | { order: 'begin'; ms: number }
  | { order: 'lead'; ms: number }
  | { order: 'follow'; total: number }
  | { order: 'end' };

/** The answer to an order. */
export interface Did {
  report: 'did';
  /** Of who led. */
  total: number;
  /** CPU since the round began, in µs. */
  cpuMicros: number;
  told: Told;
}

const BY_NAME: Readonly<Record<ContenderName, Contender>> = {
  ...{ ours, lists, acknowledged, bullmq, reference },
  ...{ 'redis-streams': redisStreams, 'one-script': oneScript, 'bullmq-events': bullmqEvents },
};

async function sideOf(settings: SideSettings): Promise<Side> {
  const { contender, role, load, redis, topic } = settings;
  const make = BY_NAME[contender];
  switch (load.kind) {
    case 'lifecycles':
      if (role === 'owner') return new LifecycleOwner(load, await make.owner!(settings), redis);
      return new LifecycleRunner(load, await make.runner!(settings));
    case 'streams': {
      if (load.owners === 0 && contender === 'ours') {
        if (role === 'owner') return bystander();
        const { reader, writer } = await ownStreams(settings);
        return new OwnStreams(new StreamReader(load, reader), new StreamWriter(load, writer, redis));
      }
      if (role === 'owner') return new StreamReader(load, await make.reader!(settings));
      return new StreamWriter(load, await make.writer!(settings), redis);
    }
    case 'claims':
      if (role === 'owner') return ClaimOwner.start(load, redis, topic);
      return load.who === 'steal' ? idlePeer(redis, topic) : bystander();
  }
}

class SideProcess implements RunNode<SideOrder> {
  readonly #settings: SideSettings;
  #side!: Side;
  #before = process.cpuUsage();

  constructor(settings: SideSettings) {
    this.#settings = settings;
  }

  async start(): Promise<string> {
    this.#side = await sideOf(this.#settings);
    return this.#settings.role;
  }

  async obey(order: SideOrder): Promise<void> {
    const total = await this.#do(order);
    const { user, system } = process.cpuUsage(this.#before);
    const told = order.order === 'lead' || order.order === 'follow' ? this.#side.tell() : EMPTY;
    const did: Did = { report: 'did', total, cpuMicros: user + system, told };
    process.send!(did);
  }

  async #do(order: SideOrder): Promise<number> {
    switch (order.order) {
      case 'open':
        await this.#side.open(order.round);
        return 0;
      case 'begin':
        this.#before = process.cpuUsage();
        this.#side.begin?.(order.ms);
        return 0;
      case 'lead':
        this.#before = process.cpuUsage();
        return this.#side.lead!(order.ms);
      case 'follow':
        await this.#side.follow!(order.total);
        return 0;
      case 'end':
        await this.#side.end();
        return 0;
    }
  }

  async close(): Promise<void> {
    await this.#side.close();
  }
}

const EMPTY: Told = { count: 0, waits: [], pings: [] };

obeyParent((settings: SideSettings) => new SideProcess(settings));
