// No error of a scheduler holds what was sent to Redis: a prompt, an answer, the text of a script, a password. And each has
// a code. What ioredis gives as an error carries the whole command.
import { inspect } from 'node:util';
import { expect } from 'chai';
import { SHARD_TABLES } from '../../src/base/keys.ts';
import { allScripts } from '../../src/redis/run-script.ts';
import {
  EVENT_NAMES,
  Scheduler,
  SchedulerError,
  SchedulerEvents,
  type SchedulerOptions,
} from '../../src/index.ts';
import { privateRedis } from '../support/private-server.ts';
import { rejection, request, room, take, useFleet, type Node, type Prompt } from '../support/fleet.ts';
import { useOwnRedis } from '../support/own-redis.ts';

const SECRET = 'MY-SECRET-PROMPT';
const PASSWORD = 's3cr3t-w0rd';
/** A line of each script that nothing else holds. */
const LINES = Object.values(allScripts()).map(({ text }) =>
  text.split('\n').reduce((long, line) => (line.length > long.length ? line : long), ''),
);

const secretly = (id: string): Prompt => ({ ...request(id), prompt: SECRET }) as Prompt;

/** Fails unless it is one of ours that holds nothing of what was sent. */
function checkError(error: unknown): SchedulerError {
  expect(error).to.be.instanceOf(SchedulerError);
  const all = { depth: Infinity, showHidden: true, maxStringLength: Infinity, maxArrayLength: Infinity };
  const shown = inspect(error, all);
  for (const part of [SECRET, PASSWORD, 'with args beginning with', 'local function', ...LINES])
    expect(shown.includes(part), `${shown.slice(0, 2000)} holds ${part}`).to.equal(false);
  return error as SchedulerError;
}

describe('an error of a scheduler holds nothing that was sent, when', () => {
  const redis = useOwnRedis();
  const fleet = useFleet(() => redis.url);
  const told: unknown[] = [];

  /** As the user `app`, who may do everything unless told otherwise. */
  async function start(node: string, options: SchedulerOptions<Prompt> = {}): Promise<Node> {
    await redis.admin.call(
      'ACL',
      'SETUSER',
      'app',
      ...['reset', 'on', `>${PASSWORD}`, 'allkeys', 'allchannels', '+@all'],
    );
    const events = new SchedulerEvents();
    for (const name of EVENT_NAMES) events.on(name, (event: unknown) => told.push(event));
    const url = redis.url.replace('redis://', `redis://app:${PASSWORD}@`);
    return fleet.start(node, { redis: url, events, commandTimeout: 1_000, ...options });
  }
  const acl = (...rules: string[]) => redis.admin.call('ACL', 'SETUSER', 'app', ...rules);

  /** What every put of this node is told: by `putRequests`, and by `submit`. */
  async function refusals(node: Node): Promise<SchedulerError[]> {
    const outcome = node.putRequests([secretly('put')]).then(
      ([one]) => one!.error,
      (error: unknown) => error,
    );
    const errors = [await outcome, await rejection(node.submit(secretly('submitted')).result())];
    return errors.map(checkError);
  }
  const codes = (errors: readonly SchedulerError[]): string[] => errors.map(({ code }) => code);

  afterEach(() => {
    for (const message of fleet.warnings) expect(message).not.to.include(SECRET);
    expect(inspect(told.splice(0), { depth: Infinity })).not.to.include(SECRET);
  });

  it('Redis is out of memory', async () => {
    const node = await start('a');
    await redis.admin.config('SET', 'maxmemory', '1');
    try {
      expect(codes(await refusals(node))).to.deep.equal(['REDIS', 'REDIS']);
    } finally {
      await redis.admin.config('SET', 'maxmemory', '0');
    }
  });

  it('the user may not run scripts any more, and a result is refused, too', async () => {
    const node = await start('a');
    const owner = await start('owner');
    await owner.putRequests([secretly('r')]);
    const [claim] = await take(node, 1);
    await acl('-evalsha', '-eval');
    expect(codes(await refusals(node))).to.deep.equal(['REDIS', 'REDIS']);
    const put = node.putResults([{ claim: claim!.claim, output: SECRET, finished: true }]);
    expect(checkError(await rejection(put)).code).to.equal('REDIS');
    for (const call of [node.reset(), node.updateConfig({ loadShards: 2 })])
      expect(checkError(await rejection(call)).code).to.equal('REDIS');
    await acl('+@all');
  });

  it('the scripts are not there (scripts: preloaded)', async () => {
    for (const { text } of Object.values(allScripts())) await redis.admin.script('LOAD', text);
    const node = await start('a', { scripts: 'preloaded' });
    await redis.admin.script('FLUSH');
    expect(codes(await refusals(node))).to.deep.equal(['SCRIPT', 'SCRIPT']);
    for (const { text } of Object.values(allScripts())) await redis.admin.script('LOAD', text);
  });

  it('puts wait for replicas, and are refused', async () => {
    const node = await start('a', { waitReplicas: { replicas: 1, timeoutMs: 10 } });
    await acl('-evalsha', '-eval');
    expect(codes(await refusals(node))).to.deep.equal(['REDIS', 'REDIS']);
    await acl('+@all');
  });

  it('a table is none of ours', async () => {
    const node = await start('a');
    await redis.admin.set(fleet.key('waiting'), 'a string', 'EX', 60);
    expect(codes(await refusals(node))).to.deep.equal(['REDIS', 'REDIS']);
    // the script stopped half-way
    await redis.admin.del(SHARD_TABLES.map((table) => fleet.key(table)));
  });

  it('Redis does not answer', async () => {
    const node = await start('a', { commandTimeout: 2_000 });
    await redis.admin.call('CLIENT', 'PAUSE', '60000', 'WRITE');
    try {
      expect(codes(await refusals(node))).to.deep.equal(['TIMEOUT', 'TIMEOUT']);
    } finally {
      await redis.admin.call('CLIENT', 'UNPAUSE');
    }
  });

  it('what is put breaks every connection', async () => {
    const node = await start('a', { commandTimeout: 30_000 });
    await redis.admin.config('SET', 'client-query-buffer-limit', String(2 ** 20));
    try {
      const large = { ...secretly('large'), prompt: SECRET.repeat(2 ** 17) };
      const error = checkError(await rejection(node.submit(large).result()));
      expect(error.code).to.equal('REDIS');
      expect(error.message).to.match(/was given up/);
    } finally {
      await redis.admin.config('SET', 'client-query-buffer-limit', String(2 ** 30));
    }
  });

  it('the password is wrong', async () => {
    await start('a');
    const url = redis.url.replace('redis://', `redis://app:${PASSWORD}x@`);
    const error = checkError(await rejection(fleet.start('b', { redis: url })));
    expect(error).to.have.property('code', 'REDIS');
    expect(error.message).to.match(/WRONGPASS/);
  });

  it('a codec of JSON meets what is none, or a prompt is given as its own length', async () => {
    const encode = (): string => `${SECRET} {`;
    const decode = (bytes: Buffer): never => String(bytes) as never;
    const owner = await start('owner', { codec: { encode, decode } });
    const runner = await start('runner');
    void runner.run(() => 1, { budget: room() });
    const failed = checkError(await rejection(owner.submit(request('r')).result()));
    expect(failed.message).to.match(/could not be decoded: \d+ bytes that are no JSON$/);
    const odd = await start('odd', { promptTokensOf: () => SECRET as never });
    expect(codes(await refusals(odd))).to.deep.equal(['ENCODE', 'ENCODE']);
  });
});

describe('an error of a scheduler holds nothing that was sent, on a server', () => {
  it('that does not know EVAL', async () => {
    const server = await privateRedis(['--rename-command', 'EVAL', '']);
    try {
      const error = checkError(
        await rejection(Scheduler.start({ redis: server.url, onWarning: () => undefined })),
      );
      expect(error).to.have.property('code', 'REDIS');
      expect(error.message).to.match(/unknown command/);
    } finally {
      await server.stop();
    }
  });
});
