import { expect } from 'chai';
import { SchedulerError } from '../../src/base/errors.ts';
import { Wakeup } from '../../src/node/wakeup.ts';
import type { Teller } from '../../src/observe/events.ts';
import type { Sockets } from '../../src/redis/sockets.ts';
import { rejection } from '../support/fleet.ts';

const FENCE = '000000000000a7';
/** The longest time of a timer. */
const LONGEST = 2 ** 31 - 1;

class World {
  readonly rung: string[] = [];
  readonly events: unknown[] = [];
  readonly warnings: string[] = [];
  isHeard = true;
  readonly wakeup = new Wakeup(
    {
      claim: (shard, delayMs) => this.rung.push(`claim ${shard} ${delayMs}`),
      results: (shard, entry) =>
        this.rung.push(`results ${shard}${entry ? ` ${entry.toString('hex')}` : ''}`),
      refresh: (shard) => this.rung.push(`refresh ${shard}`),
      halt: (shard, fence, ms) => this.rung.push(`halt ${shard} ${fence} ${ms}`),
      subscribed: () => this.rung.push('subscribed'),
    },
    {
      ...{ topic: 't', node: 'n', isShard: (number) => number < 2 },
      teller: {
        heard: (name: string) =>
          this.isHeard ? (event: object) => void this.events.push({ name, ...event }) : undefined,
      } as unknown as Teller,
      onWarning: (message) => this.warnings.push(message),
    },
  );

  /** What a message rings. */
  hear(message: string | Buffer): string[] {
    this.wakeup.hear(Buffer.from(message as string));
    return this.rung.splice(0);
  }

  subscribe(answer: Promise<void>): Promise<void> {
    return this.wakeup.subscribe({ subscribe: () => answer } as unknown as Sockets);
  }
}

describe('wake-ups of a node', () => {
  let world: World;
  beforeEach(() => (world = new World()));

  it('say what is to be done in which shard, and are told as events', () => {
    expect(world.hear('claim 1 250')).to.deep.equal(['claim 1 250']);
    expect(world.hear('results 0 0')).to.deep.equal(['results 0']);
    expect(world.hear('refresh 1 0')).to.deep.equal(['refresh 1']);
    expect(world.hear(`halt 1 50 ${FENCE}`)).to.deep.equal([`halt 1 ${FENCE} 50`]);
    expect(world.events).to.deep.equal([
      { name: 'ring', what: 'claim', shard: 1, delayMs: 250 },
      { name: 'ring', what: 'results', shard: 0, delayMs: 0 },
      { name: 'ring', what: 'refresh', shard: 1, delayMs: 0 },
      { name: 'ring', what: 'halt', shard: 1, delayMs: 50 },
    ]);
  });

  it('may carry the entry of results, which is no text', () => {
    const entry = Buffer.from('00ff0a20c3', 'hex');
    expect(world.hear(Buffer.concat([Buffer.from('results 1 0 '), entry]))).to.deep.equal([
      `results 1 ${entry.toString('hex')}`,
    ]);
    expect(world.events).to.deep.equal([{ name: 'ring', what: 'results', shard: 1, delayMs: 0 }]);
  });

  it('are heard where nobody listens to events', () => {
    world.isHeard = false;
    expect(world.hear('claim 1 0')).to.deep.equal(['claim 1 0']);
    expect(world.hear('results 1 0 x')).to.deep.equal(['results 1 78']);
  });

  it('wait no longer than a timer can', () => {
    expect(world.hear(`claim 1 ${LONGEST}`)).to.deep.equal([`claim 1 ${LONGEST}`]);
    expect(world.hear(`claim 1 ${LONGEST + 1}`)).to.deep.equal([`claim 1 ${LONGEST}`]);
    expect(world.hear(`halt 1 999999999999999 ${FENCE}`)).to.deep.equal([`halt 1 ${FENCE} ${LONGEST}`]);
  });

  it('of shards that the topic has not, and what is none, ring nobody', () => {
    const bad = [
      'claim 2 0',
      'results 2 0',
      'results 2 0 entry',
      `halt 2 1 ${FENCE}`,
      '',
      'claim',
      'claim 1',
    ];
    bad.push('claims 1 0', 'claim 1 0 x', 'claim -1 0', 'claim 1 1.5', 'halt 1 1', `halt 1 1 ${FENCE}0`);
    for (const message of bad) expect(world.hear(message), message).to.deep.equal([]);
    expect(world.events).to.deep.equal([]);
  });

  it('may have been missed before a subscription, and before each later one', async () => {
    await world.subscribe(Promise.resolve());
    expect(world.rung.splice(0)).to.deep.equal(['subscribed']);
    world.wakeup.subscribedAgain();
    expect(world.rung).to.deep.equal(['subscribed']);
  });

  it('are not waited for: the subscription is', async () => {
    let answer = (): void => undefined;
    const done = world.subscribe(new Promise((resolve) => (answer = resolve)));
    await new Promise((resolve) => setImmediate(resolve));
    expect(world.rung).to.deep.equal([]);
    answer();
    await done;
    expect(world.rung).to.deep.equal(['subscribed']);
  });

  it('that may not be heard are refused at the start by what to allow, and warned of later', async () => {
    const refused = new Error(
      'NOPERM this user has no permissions to access one of the channels used as arguments',
    );
    const error = await rejection(world.subscribe(Promise.reject(refused)));
    expect(error).to.be.instanceOf(SchedulerError);
    expect([error.code, error.cause]).to.deep.equal(['CONFIG', refused]);
    expect(error.message).to.match(/may not subscribe to .*allow the channels/);
    const other = new Error('the connection has gone');
    expect(await world.subscribe(Promise.reject(other)).catch((one: unknown) => one)).to.equal(other);
    expect(world.rung).to.deep.equal([]);
    world.wakeup.refused(refused);
    expect(world.warnings[0]).to.match(/may not subscribe to .*: work and results are found late$/);
  });
});
