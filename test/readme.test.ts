// The README's quick start, as it stands there.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { redisUrl } from './support/server.ts';

const run = promisify(execFile);

describe('the README', () => {
  it('has a quick start of at most 20 lines that runs as it stands and ends by itself', async () => {
    const code = /```js\n([^]*?)```/.exec(readFileSync('README.md', 'utf8'))![1]!;
    const lines = code.split('\n').filter((line) => line.trim() !== '');
    expect(lines.length).to.be.at.most(20);
    const folder = await mkdtemp(join(tmpdir(), 'sched-lua-readme-'));
    try {
      const entry = new URL('../dist/index.js', import.meta.url).href;
      const file = join(folder, 'quick.mjs');
      await writeFile(file, code.replace(`'sched-lua'`, JSON.stringify(entry)));
      const { stdout } = await run(process.execPath, [file], {
        env: { ...process.env, SCHED_LUA_REDIS_URL: redisUrl() },
        timeout: 15_000,
      });
      expect(stdout.trim().split('\n')).to.deep.equal([
        'chunk to',
        'chunk be',
        'chunk or',
        'finished not (3 prompt tokens, accepted by front)',
      ]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
