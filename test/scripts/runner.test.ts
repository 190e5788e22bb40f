// The runner itself: whatever goes wrong in a file is told, and makes the run fail.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { useProgram, type Program } from '../support/program.ts';
import { freshTopic, redisUrl, waitUntil } from '../support/server.ts';
import { root } from '../support/runner/paths.ts';
import { KNOWN_TO_BE_LONG, longestFirst } from '../support/runner/plan.ts';
import { shuffleFiles, shuffleSuite, type ShuffledSuite } from '../support/runner/shuffle.ts';

const fixture = (name: string): string => `test/support/runner/fixtures/${name}.ts`;

describe('npm test', function () {
  this.timeout(120_000);
  this.slow(20_000);
  const start = useProgram('test/support/runner/main.ts');
  const shared = (more: Record<string, string> = {}): Record<string, string> => ({
    SCHED_LUA_TEST_REDIS: redisUrl(),
    ...more,
  });

  async function run(
    args: readonly string[],
    env = shared(),
  ): Promise<{ code: number | null; text: string }> {
    const { over, said } = start(args, env);
    const code = await over;
    expect(said.stderr).to.equal('');
    return { code, text: said.stdout };
  }

  const lastLine = (text: string): string => text.trimEnd().split('\n').at(-1)!;

  it('runs files in parallel, a line for each, and ends with what build servers read; a pattern is as for mocha', async () => {
    const pattern = '^[AB] [1-3]$|has one test';
    const { code, text } = await run(['--jobs', '2', '--grep', pattern, fixture('passing'), fixture('many')]);
    expect(text).to.match(/^\[1\/2\] ok .*fixtures\/\w+\.ts: \d+ passed, 0 failed, [\d.]+ s$/m);
    expect(text).to.match(/^\[2\/2\] ok /m);
    expect(text.match(/ran \w\d/g), 'as they are written').to.deep.equal(
      ['A1', 'A2', 'A3', 'B1', 'B2', 'B3'].map((name) => `ran ${name}`),
    );
    expect(lastLine(text)).to.equal('7 passed, 0 failed');
    expect(code).to.equal(0);
  });

  it('fails when no test is run', async () => {
    const { code, text } = await run(['--grep', 'no such test', fixture('many')]);
    expect(text).to.include('no test was run');
    expect([code, lastLine(text)]).to.deep.equal([1, '0 passed, 0 failed']);
  });

  it('prints a failed test whole, and a worker that crashed with its last words; others go on', async () => {
    const files = ['failing', 'crashing', 'only', 'passing'].map(fixture);
    const { code, text } = await run(['--jobs', '1', '--forbid-only', ...files]);
    expect(text).to.match(/^\[\d\/4\] FAILED .*failing\.ts: 1 passed, 1 failed, 1 skipped/m);
    expect(text).to.match(/^\d\) a file that fails\n +has a test that fails:\n/m);
    expect(text).to.match(/- {2}"answer": 41\n +\+ {2}"answer": 42/);
    expect(text).to.match(/at .*fixtures\/failing\.ts:5/);
    // once more at the end, which is all that some build servers show
    expect(text).to.match(/^Failures:\n[^]*^What .*failing\.ts said:\n +\| seed 7$/m);
    expect(text).to.match(
      /crashing\.ts:\n +the process of its worker ended \(SIGKILL\), during: a file that crashes has a test that ends/,
    );
    expect(text).to.match(/^ +\| the last words$/m);
    expect(text).to.match(/FAILED .*only\.ts: 0 passed, 1 failed/);
    expect(lastLine(text)).to.equal('2 passed, 3 failed, 1 skipped');
    expect(code).to.equal(1);
  });

  it('gives up a file that hangs, names it, and goes on with the others', async () => {
    const args = ['--jobs', '1', '--file-timeout', '1', fixture('hanging')];
    const { code, text } = await run(args);
    expect(text).to.match(/hanging\.ts:\n +no end after 1 s, during: /);
    expect(lastLine(text)).to.equal('0 passed, 1 failed');
    expect(code).to.equal(1);
  });

  it('fails when a file leaves a handle, a client or a key behind, also where every test passed', async () => {
    const kind = process.env.SCHED_LUA_TEST_REDIS === 'container' ? 'container' : 'binary';
    const { code, text } = await run(
      ['--jobs', '1', fixture('leaking'), fixture('passing')],
      shared({ SCHED_LUA_TEST_REDIS: kind }),
    );
    expect(text).to.match(/FAILED .*leaking\.ts: 2 passed, 1 failed/);
    expect(text).to.match(/leaking\.ts left behind:\n/);
    expect(text).to.match(/ 1 TCPServerWrap still open/);
    expect(text.match(/ client still connected: /g), 'not told again of the next file').to.have.length(1);
    expect(text).to.match(/ key without a TTL: test-/);
    expect(text).to.match(/^\[2\/2\] ok .*passing\.ts/m);
    expect(text, 'the worker').to.match(/it cannot end by itself; still open: .*TCPServerWrap/);
    expect(lastLine(text), 'the file, and its worker').to.equal('3 passed, 2 failed');
    expect(code).to.equal(1);
  });

  it('shuffles files and tests by a seed that it prints, the same again by the same seed', async () => {
    const order = async (...args: string[]): Promise<{ tests: string; seed: string }> => {
      const { code, text } = await run(['--jobs', '1', fixture('many'), fixture('passing'), ...args]);
      expect(code).to.equal(0);
      const tests = text.match(/ran \w\d/g)!;
      expect(new Set(tests).size).to.equal(15);
      return { tests: tests.join(), seed: /order of seed (\d+)/.exec(text)?.[1] ?? '' };
    };
    const drawn = await order('--shuffle');
    expect(drawn.seed).to.match(/^\d+$/);
    expect(await order('--shuffle', drawn.seed)).to.deep.equal(drawn);
  });

  it('ends its workers and what they started at Ctrl-C, with exit code 130', async () => {
    const sign = freshTopic();
    const redis = new Redis(redisUrl());
    try {
      const program: Program = start([fixture('waiting')], shared({ SCHED_LUA_TEST_SIGN: sign }));
      const signed = async (): Promise<boolean> => (await redis.exists(sign)) === 1;
      await waitUntil(signed, 'the file runs', 60_000);
      const pids = (await redis.get(sign))!.split(' ').map(Number);
      program.interrupt();
      expect(await program.over).to.equal(130);
      expect(program.said.stderr).to.equal('');
      expect(program.said.stdout).not.to.include('FAILED');
      await waitUntil(() => pids.every((pid) => !exists(pid)), 'the worker and its server are gone');
    } finally {
      redis.disconnect();
    }
  });

  it('answers bad usage with exit code 2', async () => {
    for (const [args, says] of [
      [['--colour'], /unknown option '--colour'/],
      [['test/missing.test.ts'], /no file or folder test\/missing\.test\.ts/],
    ] as const) {
      const { over, said } = start(args, shared());
      expect(await over).to.equal(2);
      expect(said.stderr).to.match(says);
    }
  });
});

describe('the order of the files', () => {
  it('is that of their last durations, the longest first, and else of what is known', () => {
    const [known] = KNOWN_TO_BE_LONG;
    expect(longestFirst(['a', 'b', known!, 'c'], { a: 5, b: 20_000, c: 99_000 })).to.deep.equal([
      ...['c', known, 'b', 'a'],
    ]);
    for (const file of KNOWN_TO_BE_LONG) expect(existsSync(join(root, file)), file).to.equal(true);
  });

  it('by a seed depends on nothing but the seed and the names', () => {
    const files = Array.from({ length: 20 }, (_, i) => `f${i}`);
    expect(shuffleFiles(files, 7)).to.deep.equal(shuffleFiles([...files].reverse(), 7));
    expect(shuffleFiles(files, 7)).not.to.deep.equal(shuffleFiles(files, 8));
    expect([...shuffleFiles(files, 7)].sort()).to.deep.equal([...files].sort());
  });

  it('within a file is of the seed and the file, at every depth', () => {
    const names = Array.from({ length: 12 }, (_, i) => i);
    const shuffled = (seed: number, file: string): ShuffledSuite => {
      const suite = { tests: [...names], suites: [{ tests: [...names], suites: [] }] };
      shuffleSuite(suite, seed, file);
      return suite;
    };
    expect(shuffled(7, 'a')).to.deep.equal(shuffled(7, 'a'));
    const orders = [shuffled(7, 'a'), shuffled(8, 'a'), shuffled(7, 'b')].flatMap(({ tests, suites }) => [
      ...[tests.join(), suites[0]!.tests.join()],
    ]);
    expect(new Set([names.join(), ...orders]).size).to.equal(7);
  });
});

function exists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
