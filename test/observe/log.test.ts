// The option `logger`: what a person who is paged finds in the log after real faults, one line for each, and nothing else.
import { expect } from 'chai';
import { Retry, type Logger } from '../../src/index.ts';
import { Log } from '../../src/observe/log.ts';
import { ended, finish, request, requests, room, take, useFleet } from '../support/fleet.ts';
import { DURABLE, useOwnRedis } from '../support/own-redis.ts';
import { waitUntil } from '../support/server.ts';

/** A logger, and its lines as `<level> <line>`. */
function record(): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  const at = (level: string) => (line: string) => void lines.push(`${level} ${line}`);
  return { logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }, lines };
}

const origin = { topic: 't', node: 'n' };
const claim = (id: string) => ({ ...origin, id, ticket: `o|${id}`, shard: 2, fence: 'f', owner: 'o' });

describe('the log of a scheduler', function () {
  this.timeout(120_000);
  const redis = useOwnRedis([...DURABLE, '--lazyfree-lazy-expire', 'yes']);
  const fleet = useFleet(() => redis.url);

  /** Lines without what names the scheduler, and without those of debug. */
  const told = (lines: readonly string[], node = 'node'): string[] =>
    lines
      .filter((line) => !line.startsWith('debug'))
      .map((line) => line.replace(`sched-lua ${fleet.topic}/${node}: `, ''));

  it('is empty while all is well, also of a request that fails', async () => {
    const { logger, lines } = record();
    const node = await fleet.start('node', { logger });
    await node.putRequests(requests('r', 3));
    const [first, ...rest] = await take(node, 3);
    await node.putResults([{ claim: first!.claim, failed: 'its own fault' }]);
    await finish(node, rest);
    await ended(node, ['r0', 'r1', 'r2']);
    await node.close();
    expect(lines).to.deep.equal([]);
  });

  it('has a line for each connection that Redis takes down, and for each that is back', async () => {
    const { logger, lines } = record();
    const node = await fleet.start('node', { logger, commandTimeout: 60_000 });
    await redis.restart(300);
    const back = (name: string): boolean =>
      told(lines).includes(`info connection to Redis is back (${name})`);
    await waitUntil(() => back('commands') && back('wake-ups'), 'both are back', 60_000);
    for (const name of ['commands', 'wake-ups']) {
      const lost = new RegExp(`^warn connection to Redis lost \\(${name}\\): \\S`);
      expect(
        told(lines).filter((line) => lost.test(line)),
        name,
      ).to.have.lengthOf(1);
    }
    await node.putRequests([request('r')]);
  });

  it('has a line of a shard that is slow, with its number and the script', async () => {
    const { logger, lines } = record();
    const node = await fleet.start('node', { logger, commandTimeout: 60_000, leaseMs: 60_000 });
    await redis.hang(2_000);
    await node.putRequests([request('r')]);
    const slow = told(lines).filter((line) => line.startsWith('warn shard 0 is slow'));
    expect(slow).to.have.lengthOf(1);
    expect(slow[0]).to.match(/^warn shard 0 is slow: Redis took \d+\.\d s for \w+$/);
  });

  it('has a line of a claim that is lost, with its ids, and one of those that follow', async () => {
    const { logger, lines } = record();
    const owner = await fleet.start('owner');
    const node = await fleet.start('node', { logger });
    await owner.putRequests(requests('r', 4));
    await take(node, 4);
    await owner.reset();
    await waitUntil(() => node.stats().totals.lost === 4, 'all are lost', 20_000);
    await node.close();
    const lost = told(lines);
    expect(lost).to.have.lengthOf(2);
    expect(lost[0]).to.match(
      /^warn lost a claim: its lease ran out, or its request ended: r\d of owner in shard 0$/,
    );
    expect(lost[1]).to.match(/^warn 3 more in 10 s: lost a claim: .*: (r\d of owner in shard 0(, )?){3}$/);
  });

  it('has an error when another instance takes the name', async () => {
    const { logger, lines } = record();
    await fleet.start('node', { logger });
    await fleet.start('node', { takeover: true });
    await waitUntil(() => told(lines).length > 0, 'it is told', 20_000);
    expect(told(lines)).to.deep.equal(['error taken over: another instance took the name node']);
  });

  it('has a line when the circuit of a failing engine opens, and one when it closes', async () => {
    const { logger, lines } = record();
    // what is warned of is told by the logger, not by the process
    const warned: Error[] = [];
    const onWarning = (warning: Error): void => void warned.push(warning);
    process.on('warning', onWarning);
    const node = await fleet.start('node', { logger, onWarning: undefined as never });
    let isDown = true;
    const handler = ({ id }: { id: string }): string => {
      if (isDown) throw new Retry('no GPU', { afterMs: 0, countTry: false });
      return id;
    };
    void node.run(handler, { budget: room(1), breaker: { failures: 2, pauseMs: 50, maxPauseMs: 50 } });
    await node.putRequests([request('r')]);
    await waitUntil(() => lines.some((line) => line.startsWith('debug')), 'a trial has failed, too');
    isDown = false;
    await ended(node, ['r']);
    process.off('warning', onWarning);
    const [opened, closed, ...others] = told(lines);
    expect(opened).to.match(/^warn run: the engine failed 2 times in a row, .*: no GPU$/);
    expect(closed).to.match(/^info circuit closed: the engine works again after \d+ failures in a row$/);
    expect(others).to.deep.equal([]);
    expect(warned.filter(({ name }) => name === 'SchedLua')).to.deep.equal([]);
  });

  it('hears its own scheduler alone, also where several share an emitter, and onWarning beside it', async () => {
    const [one, two] = [record(), record()];
    const heard: string[] = [];
    const [first] = [await fleet.start('one', { logger: one.logger, onWarning: (line) => heard.push(line) })];
    await fleet.start('two', { logger: two.logger, events: first.events });
    await redis.admin.config('SET', 'maxmemory-policy', 'allkeys-lru');
    try {
      const three = record();
      await fleet.start('three', {
        ...{ logger: three.logger, events: first.events },
        onWarning: (line) => heard.push(line),
      });
      expect(heard.join()).to.match(/maxmemory-policy is allkeys-lru/);
      expect(told(three.lines, 'three').join()).to.match(/warn .*maxmemory-policy is allkeys-lru/);
    } finally {
      await redis.admin.config('SET', 'maxmemory-policy', 'noeviction');
    }
    expect([...one.lines, ...two.lines]).to.deep.equal([]);
  });
});

describe('a log', () => {
  it('counts what comes again soon, and tells it in one line, again and again', async () => {
    const { logger, lines } = record();
    const { events } = new Log(logger, () => origin, 50);
    for (let i = 0; i < 8; i += 1) events.emit('lost', claim(`r${i}`));
    expect(lines).to.have.lengthOf(1);
    await waitUntil(() => lines.length === 2, 'the others are told');
    const what = 'lost a claim: its lease ran out, or its request ended';
    const ids = [1, 2, 3, 4, 5].map((i) => `r${i} of o in shard 2`).join(', ');
    expect(lines).to.deep.equal([
      `warn sched-lua t/n: ${what}: r0 of o in shard 2`,
      `warn sched-lua t/n: 7 more in 0.05 s: ${what}: ${ids}, and 2 more`,
    ]);
    events.emit('over', { ...origin, code: 'CLOSED', reason: 'closed' });
    expect(lines).to.have.lengthOf(2);
  });

  it('keeps warnings apart that differ in more than numbers, and puts no second line into one', () => {
    const { logger, lines } = record();
    const log = new Log(logger, () => origin);
    for (const text of ['shard 1: no', 'shard 2: no', 'shard 1: yes\nsecond', 'a\u001b[2J\u2028b'])
      log.warning(text);
    log.events.emit('over', { ...origin, code: 'CLOSED', reason: 'closed' });
    expect(lines.map((line) => line.replace('sched-lua t/n: ', ''))).to.deep.equal([
      'warn shard 1: no',
      'warn shard 1: yes',
      'warn a [2J b',
      'warn 1 more in 10 s: shard 1: no',
    ]);
  });

  it('harms nothing when the logger throws or rejects: the process warns of the line', async () => {
    const warned: Error[] = [];
    const onWarning = (warning: Error): void => void warned.push(warning);
    process.on('warning', onWarning);
    const logger = {
      ...record().logger,
      warn: () => {
        throw new Error('no disk');
      },
      error: () => Promise.reject(new Error('no network')),
    };
    const log = new Log(logger, () => origin);
    log.warning('what');
    log.events.emit('over', { ...origin, code: 'EVICTED', reason: 'why' });
    await waitUntil(() => warned.length === 2, 'the process warns');
    process.off('warning', onWarning);
    expect(warned.map(({ message }) => message)).to.deep.equal([
      'sched-lua t/n: what (logger.warn threw: no disk)',
      'sched-lua t/n: taken over: why (logger.error threw: no network)',
    ]);
  });
});
