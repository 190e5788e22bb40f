// `npm run bench -- memory`, as a process. Far too few requests to measure anything: that the figures add up.
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { parseMemoryOptions } from '../../scripts/bench/memory.ts';
import { UsageError } from '../../src/cli/output.ts';
import { findKeys } from '../support/leaks.ts';
import { useProgram } from '../support/program.ts';
import { redisUrl, waitUntil } from '../support/server.ts';

interface Said {
  requests: number;
  payload: number;
  over: number;
  told: number;
  shares: { name: string; entries: number; bytes: number; content: number; overhead: number }[];
  longest: { ms: number; from: number; to: number }[];
}

const FEW = ['memory', '--requests', '300', '--tokens', '4', '--owners', '2', '--rounds', '2'];

describe('the bench of memory', function () {
  this.timeout(120_000);
  const start = useProgram('scripts/bench/main.ts');

  it('says of each table what a waiting request takes of it, and leaves nothing', async () => {
    const bench = start([...FEW, '--json']);
    expect(await bench.over, bench.said.stderr).to.equal(0);
    const { requests, payload, over, told, shares } = JSON.parse(bench.said.stdout) as Said;
    expect(requests).to.equal(300);
    const named = new Map(shares.map((share) => [share.name, share]));
    for (const table of ['waiting', 'request', 'body', 'due'])
      expect(named.get(table)?.entries, table).to.equal(300);
    expect(named.get('load')?.entries, 'of two owners').to.equal(2);
    // a listpack, as of `calls`, keeps numbers in less than their text; no other table takes less than what stands in it
    for (const { name, bytes, content, overhead } of shares) {
      if (named.get(name)!.entries >= 300) expect(overhead, name).to.be.at.least(0);
      expect(content + overhead, name).to.be.closeTo(bytes, 1e-6);
    }
    // `owner|id` and the payload, which is JSON
    expect(named.get('body')!.content).to.be.closeTo(payload + 'owner-0|cmpl-'.length + 32, 1);
    const sum = shares.reduce((all, { bytes }) => all + bytes, 0);
    expect(told).to.be.closeTo(sum - payload, 1e-6);
    // what the server forgets meanwhile of others counts, too
    expect(over).to.be.a('number');
    const redis = new Redis(redisUrl());
    try {
      await waitUntil(async () => (await findKeys(redis, 'bench-')).length === 0, 'no key is left');
    } finally {
      redis.disconnect();
    }
  });

  it('prints a table for people, and takes no other words', async () => {
    const bench = start(FEW);
    expect(await bench.over, bench.said.stderr).to.equal(0);
    expect(bench.said.stdout).to.match(/300 requests of \d+ B wait, put by 2 owners/);
    expect(bench.said.stdout.match(/^(waiting|request|body|due) +(zset|hash) /gm)).to.have.length(4);
    expect(() => parseMemoryOptions(['memory', 'more'])).to.throw(UsageError, /^too many arguments/);
    expect(parseMemoryOptions(['memory'])!.requests).to.equal(100_000);
  });
});
