// Every program of examples/, as it stands, against the run's Redis.
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { Example, quickStart } from './support/example.ts';
import { redisUrl, waitUntil } from './support/server.ts';

/** For a process that has to start on a busy machine. */
const START_MS = 50_000;

describe('the examples', function () {
  this.timeout(60_000);
  const tested = ['engine-loop', 'quick-start', 'stream-and-cancel', 'test-without-redis', 'test-your-own'];
  const started: Example[] = [];

  const start = async (name: string, env: NodeJS.ProcessEnv = {}): Promise<Example> => {
    const example = await Example.start(name, { SCHED_LUA_REDIS_URL: redisUrl(), ...env });
    started.push(example);
    return example;
  };
  afterEach(() => Promise.all(started.splice(0).map((example) => example.kill())));

  it('are all run by this test', () => {
    const files = readdirSync('examples').filter((file) => file.endsWith('.ts'));
    expect(files.sort()).to.deep.equal(tested.map((name) => `${name}.ts`));
  });

  it('quick-start streams an answer from one node to the other and ends by itself', async () => {
    const example = await start('quick-start');
    expect(await example.ended(), example.stderr).to.equal(0);
    expect(example.lines).to.deep.equal([
      'chunk to',
      'chunk be',
      'chunk or',
      'finished not (3 prompt tokens, accepted by front)',
    ]);
  });

  it('quick-start is the code of the README', () => {
    const shown = /```[jt]s\n([^]*?)```/.exec(readFileSync('README.md', 'utf8'))![1];
    expect(shown).to.equal(quickStart());
  });

  it('engine-loop sends a token of every sequence per iteration and has two of them at most', async () => {
    const example = await start('engine-loop');
    expect(await example.ended(), example.stderr).to.equal(0);
    const { lines } = example;
    const of = (id: string) => lines.filter((line) => line.startsWith(id));
    expect(of('r1')).to.deep.equal(['r1 chunk token 1', 'r1 chunk token 2', 'r1 finished token 3']);
    expect(of('r2')).to.deep.equal(['r2 finished token 1']);
    expect(of('r3')).to.deep.equal(['r3 chunk token 1', 'r3 finished token 2']);
    expect(lines.length).to.equal(6);
    // the third has to wait until one of the others has left the engine
    const before = lines.slice(0, lines.indexOf('r3 chunk token 1'));
    expect(before.some((line) => line.includes('finished'))).to.equal(true);
  });

  it('stream-and-cancel streams over HTTP, and stops the engine when the client disconnects', async () => {
    const example = await start('stream-and-cancel', { PORT: '0' });
    const port = () => /^listening on port (\d+)$/m.exec(example.stdout)?.[1];
    const isUp = () => port() !== undefined || example.child.exitCode !== null;
    await waitUntil(isUp, 'the example listens', START_MS);
    const post = async (words: string): Promise<IncomingMessage> => {
      const call = request({ host: '127.0.0.1', port: port(), method: 'POST', agent: false }).end(words);
      const [response] = (await once(call, 'response')) as [IncomingMessage];
      return response;
    };

    expect(await text(await post('to be or not to be'))).to.equal('to be or not to be ');
    expect(example.stdout).not.to.contain('stopped');

    // at 50 ms a word this answer would take over eight minutes
    const endless = await post('endless '.repeat(10_000).trim());
    const [first] = (await once(endless.setEncoding('utf8'), 'data')) as [string];
    expect(first).to.match(/^(endless )+$/);
    endless.destroy();
    await waitUntil(() => example.stdout.includes('stopped: endless'), 'the engine has stopped', 10_000);

    // the next one finds the engine at its disposal
    expect(await text(await post('still here'))).to.equal('still here ');
    const words = 'word '.repeat(40);
    const last = (await post(words.trim())).setEncoding('utf8');
    const [begun] = (await once(last, 'data')) as [string];
    example.child.kill('SIGTERM');
    expect(begun + (await text(last)), 'what has begun is answered to its end').to.equal(words);
    expect(await example.ended(), example.stderr).to.equal(0);
    expect(example.lines.slice(1)).to.deep.equal(['stopped: endless']);
  });

  it('test-without-redis needs none, and its tests pass', async () => {
    const example = await start('test-without-redis', { SCHED_LUA_REDIS_URL: 'redis://127.0.0.1:1' });
    expect(await example.ended(), example.stdout + example.stderr).to.equal(0);
    expect(example.stdout)
      .to.match(/^\S+ pass 2$/m)
      .and.to.match(/^\S+ fail 0$/m);
  });

  it('test-your-own starts a Redis of its own, and its tests pass', async () => {
    const example = await start('test-your-own', { SCHED_LUA_REDIS_URL: undefined });
    expect(await example.ended(), example.stdout + example.stderr).to.equal(0);
    // with a sign in front that depends on the version of Node
    expect(example.stdout)
      .to.match(/^\S+ pass 2$/m)
      .and.to.match(/^\S+ fail 0$/m);
  });
});
