import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { capacity } from '../../src/testing/engine/capacity.ts';
import { AZURE_CONVERSATION_2023, drawArrivals } from '../../scripts/lib/traffic/quantiles.ts';
import { Random } from '../../scripts/lib/traffic/random.ts';
import { assignOwners, scaleToLoad } from '../../scripts/lib/traffic/scale.ts';
import { type Arrival, readTrace } from '../../scripts/lib/traffic/trace.ts';

const mean = (list: readonly number[]) => list.reduce((sum, value) => sum + value, 0) / list.length;
const variation = (list: readonly number[]) => {
  const average = mean(list);
  return Math.sqrt(mean(list.map((value) => (value - average) ** 2))) / average;
};
const gaps = (arrivals: readonly Arrival[]) =>
  arrivals.slice(1).map((arrival, index) => arrival.atMs - arrivals[index]!.atMs);

describe('traffic', () => {
  describe('readTrace', () => {
    let directory: string;
    before(async () => {
      directory = await mkdtemp(path.join(tmpdir(), 'sched-lua-trace-'));
    });
    after(() => rm(directory, { recursive: true }));

    async function read(...lines: string[]): Promise<Arrival[]> {
      const file = path.join(directory, 'trace');
      await writeFile(file, lines.join('\n'));
      return readTrace(file);
    }

    async function failure(...lines: string[]): Promise<string> {
      try {
        await read(...lines);
      } catch (error) {
        return (error as Error).message.replace(directory + path.sep, '');
      }
      throw new Error('readTrace did not refuse it');
    }

    it('reads Azure times to the 100 ns relative to the first row, whatever the line ends', async () => {
      const arrivals = await read(
        'TIMESTAMP,ContextTokens,GeneratedTokens\r',
        '2023-11-16 18:15:46.6805900,374,44\r',
        '2023-11-16 18:15:50.9951690,396,109\r',
        '2023-11-17 00:00:00,12,7\r',
      );
      expect(arrivals).to.deep.equal([
        { atMs: 0, promptTokens: 374, outputTokens: 44 },
        { atMs: 4314.579, promptTokens: 396, outputTokens: 109 },
        { atMs: 20653319.41, promptTokens: 12, outputTokens: 7 },
      ]);
    });

    it('reads Azure times with an offset, and columns in another order, behind a byte order mark', async () => {
      const arrivals = await read(
        '\uFEFFContextTokens,GeneratedTokens,TIMESTAMP',
        '1,2,2024-05-10 00:00:00.009930+00:00',
        '3,4,2024-05-10 01:00:01.009931+01:00',
      );
      expect(arrivals).to.deep.equal([
        { atMs: 0, promptTokens: 1, outputTokens: 2 },
        { atMs: 1000.001, promptTokens: 3, outputTokens: 4 },
      ]);
    });

    it('reads the Mooncake CSV', async () => {
      const arrivals = await read(
        'timestamp_ms,input_length,output_length,hash_ids',
        '100,40160,6,0 1 2 3',
        '377,32140,92,',
        '',
      );
      expect(arrivals).to.deep.equal([
        { atMs: 0, promptTokens: 40160, outputTokens: 6 },
        { atMs: 277, promptTokens: 32140, outputTokens: 92 },
      ]);
    });

    it('reads the Mooncake JSON lines', async () => {
      const arrivals = await read(
        '{"timestamp": 0, "input_length": 6755, "output_length": 500, "hash_ids": [0, 1]}',
        '{"timestamp": 3052, "input_length": 7319, "output_length": 490, "hash_ids": [0, 14]}',
      );
      expect(arrivals).to.deep.equal([
        { atMs: 0, promptTokens: 6755, outputTokens: 500 },
        { atMs: 3052, promptTokens: 7319, outputTokens: 490 },
      ]);
    });

    it('puts arrivals in order of time, and the first at 0', async () => {
      const header = 'timestamp_ms,input_length,output_length,hash_ids';
      const arrivals = await read(header, '50,1,1,', '40,2,1,', '50,3,1,');
      expect(arrivals.map(({ atMs, promptTokens }) => [atMs, promptTokens])).to.deep.equal([
        [0, 2],
        [10, 1],
        [10, 3],
      ]);
    });

    const azure = 'TIMESTAMP,ContextTokens,GeneratedTokens';
    const mooncake = 'timestamp_ms,input_length,output_length,hash_ids';
    const good = '2023-11-16 18:15:46.6805900,374,44';
    const bad: [what: string, lines: string[], message: RegExp][] = [
      ['a header it does not know', ['time,tokens', '1,2'], /^trace:1: unknown format; .*"time,tokens"/],
      ['a header without all columns', ['timestamp_ms,input_length'], /^trace:1: unknown format/],
      ['a time that is none', [azure, good, 'yesterday,374,44'], /^trace:3: TIMESTAMP .*"yesterday"/],
      ['a time of no day', [azure, '2023-13-41 18:15:46,374,44'], /^trace:2: TIMESTAMP/],
      [
        'tokens that are no number',
        [azure, good, '', good.replace('374', 'x')],
        /^trace:4: contexttokens .*"x"/,
      ],
      ['a fraction of a token', [azure, good.replace('44', '4.5')], /^trace:2: generatedtokens .*"4\.5"/],
      ['negative tokens', [mooncake, '0,-1,2,'], /^trace:2: input_length .*"-1"/],
      ['an empty cell', [mooncake, ',1,2,'], /^trace:2: timestamp_ms .*""/],
      ['a missing column', [azure, good, '2023-11-16 18:15:46,1'], /^trace:3: 2 columns instead of 3/],
      ['a line that is no JSON', ['{"timestamp": 0, "inp'], /^trace:1: .*JSON/],
      [
        'a JSON line that is no object',
        ['{"timestamp":0,"input_length":1,"output_length":1}', '7'],
        /^trace:2: /,
      ],
      ['a missing field', ['{"timestamp": 0, "input_length": 1}'], /^trace:1: output_length .*: missing$/],
      [
        'a time in a string',
        ['{"timestamp": "0", "input_length": 1, "output_length": 1}'],
        /^trace:1: timestamp/,
      ],
      ['a file with nothing in it', [''], /^trace(:1)?: the trace has no requests$/],
      ['a file with a header only', [azure, ''], /^trace:1: the trace has no requests$/],
    ];
    for (const [what, lines, message] of bad) {
      it(`refuses ${what}, with file and line`, async () => {
        expect(await failure(...lines)).to.match(message);
      });
    }

    it('says which file it cannot open', async () => {
      const missing = path.join(directory, 'missing.csv');
      const error = await readTrace(missing).catch((reason: unknown) => reason as Error);
      expect((error as Error).message).to.contain(missing);
    });
  });

  describe('Random', () => {
    it('gives the same numbers for the same seed, and others for another', () => {
      const draw = (seed: number) => {
        const random = new Random(seed);
        return [
          random.uniform(),
          random.int(0, 1e9),
          random.exponential(10),
          ...random.shuffle([1, 2, 3, 4, 5]),
        ];
      };
      expect(draw(7)).to.deep.equal(draw(7));
      expect(draw(7)).not.to.deep.equal(draw(8));
    });

    it('gives the numbers it gave when this was written: a seed in a report stays good', () => {
      const random = new Random(42);
      expect([random.int(0, 999), random.int(0, 999), random.int(0, 999)]).to.deep.equal([602, 736, 305]);
      expect(random.uniform()).to.equal(0.5503199312572176);
    });

    it('begins with another number for every seed, however near the seeds are', () => {
      const first = Array.from({ length: 1000 }, (_, seed) => new Random(seed).uniform());
      expect(mean(first)).to.be.closeTo(0.5, 0.05);
      expect(Math.min(...first)).to.be.below(0.01);
      expect(Math.max(...first)).to.be.above(0.99);
    });

    it('is uniform on [0, 1), includes both ends of int, and keeps the mean of exponential', () => {
      const random = new Random(1);
      const uniform = Array.from({ length: 20_000 }, () => random.uniform());
      expect(Math.min(...uniform)).to.be.at.least(0);
      expect(Math.max(...uniform)).to.be.below(1);
      expect(mean(uniform)).to.be.closeTo(0.5, 0.01);
      const dice = Array.from({ length: 6000 }, () => random.int(1, 6));
      for (const face of [1, 2, 3, 4, 5, 6]) {
        expect(dice.filter((one) => one === face).length).to.be.closeTo(1000, 150);
      }
      const exponential = Array.from({ length: 20_000 }, () => random.exponential(10));
      expect(mean(exponential)).to.be.closeTo(10, 0.3);
      expect(variation(exponential)).to.be.closeTo(1, 0.05);
    });

    it('shuffles a copy, with every order as likely', () => {
      const random = new Random(1);
      const list = [0, 1, 2, 3];
      const orders = new Map<string, number>();
      for (let round = 0; round < 4800; round += 1) {
        const order = random.shuffle(list).join('');
        orders.set(order, (orders.get(order) ?? 0) + 1);
      }
      expect(list).to.deep.equal([0, 1, 2, 3]);
      expect(orders.size).to.equal(24);
      for (const count of orders.values()) expect(count).to.be.closeTo(200, 60);
    });

    it('refuses a seed that is no integer', () => {
      expect(() => new Random(Number.NaN)).to.throw(RangeError, 'seed');
    });
  });

  describe('drawArrivals', () => {
    const draw = { seed: 1, count: 20_000, ratePerSecond: 5.5 };
    const arrivals = drawArrivals(draw);

    it('draws the same arrivals for the same seed, and others for another', () => {
      const few = { ...draw, count: 100 };
      expect(drawArrivals(few)).to.deep.equal(arrivals.slice(0, 100));
      expect(drawArrivals({ ...few, seed: 2 })).not.to.deep.equal(arrivals.slice(0, 100));
    });

    it('keeps the published quantiles of the Azure conversation trace, for prompts and outputs', () => {
      const published = {
        promptTokens: [
          [0.5, 1020],
          [0.99, 4142],
        ],
        outputTokens: [
          [0.5, 129],
          [0.99, 601],
        ],
      } as const;
      for (const [field, quantiles] of Object.entries(published)) {
        const values = arrivals
          .map((arrival) => arrival[field as keyof typeof published])
          .sort((a, b) => a - b);
        for (const [share, value] of quantiles) {
          expect(values[Math.floor(share * values.length)]! / value, `${field} ${share}`).to.be.closeTo(
            1,
            0.05,
          );
        }
      }
      expect(Math.max(...arrivals.map((arrival) => arrival.promptTokens))).to.be.at.most(14050);
      expect(Math.max(...arrivals.map((arrival) => arrival.outputTokens))).to.be.at.most(1000);
      expect(mean(arrivals.map((arrival) => arrival.promptTokens))).to.be.closeTo(1155, 40);
      expect(mean(arrivals.map((arrival) => arrival.outputTokens))).to.be.closeTo(211, 7);
    });

    it('draws whole tokens, at least one', () => {
      const good = (tokens: number) => Number.isInteger(tokens) && tokens > 0;
      const bad = arrivals.filter((one) => !good(one.promptTokens) || !good(one.outputTokens));
      expect(bad).to.deep.equal([]);
    });

    it('starts at 0 and keeps the wanted rate and the variation of the gaps', () => {
      expect(arrivals[0]!.atMs).to.equal(0);
      expect(mean(gaps(arrivals))).to.be.closeTo(1000 / 5.5, 5);
      expect(variation(gaps(arrivals))).to.be.closeTo(1.09, 0.04);
    });

    it('has a table that rises from the share 0 to 1', () => {
      const shares = AZURE_CONVERSATION_2023.map(([share]) => share);
      expect([shares[0], shares.at(-1)]).to.deep.equal([0, 1]);
      for (const column of [0, 1, 2] as const) {
        const values = AZURE_CONVERSATION_2023.map((row) => row[column]);
        expect(values).to.deep.equal([...values].sort((a, b) => a - b));
      }
    });

    it('refuses a count or a rate that makes no sense', () => {
      expect(drawArrivals({ ...draw, count: 0 })).to.deep.equal([]);
      for (const count of [-1, 1.5, Number.NaN]) {
        expect(() => drawArrivals({ ...draw, count })).to.throw(RangeError, 'count');
      }
      for (const ratePerSecond of [0, -1, Number.NaN, Infinity]) {
        expect(() => drawArrivals({ ...draw, ratePerSecond })).to.throw(RangeError, 'ratePerSecond');
      }
    });
  });

  describe('scaleToLoad', () => {
    const arrivals = drawArrivals({ seed: 3, count: 500, ratePerSecond: 5.5 });
    const rate = (list: readonly Arrival[]) => 1000 / mean(gaps(list));

    it('gives the arrivals the wanted share of what the nodes can serve', () => {
      const scaled = scaleToLoad(arrivals, { load: 0.9, nodes: 8, capacityPerNode: 3 });
      expect(rate(scaled)).to.be.closeTo(0.9 * 8 * 3, 1e-6);
    });

    it('takes the capacity of a node from the engine model by default', () => {
      const scaled = scaleToLoad(arrivals, { load: 0.5, nodes: 2 });
      expect(rate(scaled)).to.be.closeTo(capacity(arrivals), 1e-6);
    });

    it('changes neither the requests nor the pattern of the gaps', () => {
      const scaled = scaleToLoad(arrivals, { load: 0.9, nodes: 8, capacityPerNode: 3 });
      expect(scaled[0]!.atMs).to.equal(0);
      expect(variation(gaps(scaled))).to.be.closeTo(variation(gaps(arrivals)), 1e-6);
      const requests = (list: readonly Arrival[]) =>
        list.map(({ promptTokens, outputTokens }) => [promptTokens, outputTokens]);
      expect(requests(scaled)).to.deep.equal(requests(arrivals));
    });

    it('refuses arrivals without a span, and a load or a number of nodes that makes no sense', () => {
      expect(() => scaleToLoad([], { load: 1, nodes: 1 })).to.throw(RangeError, 'span');
      expect(() => scaleToLoad(arrivals.slice(0, 1), { load: 1, nodes: 1 })).to.throw(RangeError, 'span');
      expect(() => scaleToLoad(arrivals, { load: 0, nodes: 1 })).to.throw(RangeError, 'load');
      expect(() => scaleToLoad(arrivals, { load: 1, nodes: 0 })).to.throw(RangeError, 'nodes');
      const capacityPerNode = Number.NaN;
      expect(() => scaleToLoad(arrivals, { load: 1, nodes: 1, capacityPerNode })).to.throw(
        RangeError,
        'capacity',
      );
    });
  });

  describe('assignOwners', () => {
    const arrivals = drawArrivals({ seed: 3, count: 1000, ratePerSecond: 5.5 });
    const owned = (options: Parameters<typeof assignOwners>[1]) =>
      assignOwners(arrivals, options).map(({ owner }) => owner);
    const count = (owners: number[], nodes: number) =>
      Array.from({ length: nodes }, (_, node) => owners.filter((owner) => owner === node).length);

    it('goes round robin', () => {
      expect(owned({ nodes: 3 }).slice(0, 7)).to.deep.equal([0, 1, 2, 0, 1, 2, 0]);
    });

    it('puts exactly the skewed share at node 0, and the rest round robin at the others', () => {
      expect(count(owned({ nodes: 8, skew: 0.3 }), 8)).to.deep.equal([
        300, 100, 100, 100, 100, 100, 100, 100,
      ]);
      const others = owned({ nodes: 8, skew: 0.3 }).filter((owner) => owner > 0);
      expect(others.slice(0, 8)).to.deep.equal([1, 2, 3, 4, 5, 6, 7, 1]);
    });

    it('spreads the skewed share over the time, by the seed', () => {
      const owners = owned({ nodes: 8, skew: 0.3, seed: 5 });
      expect(owners).to.deep.equal(owned({ nodes: 8, skew: 0.3, seed: 5 }));
      expect(owners).not.to.deep.equal(owned({ nodes: 8, skew: 0.3, seed: 6 }));
      expect(count(owners.slice(0, 500), 1)[0]).to.be.closeTo(150, 30);
    });

    it('takes a skew of 0 and of 1, and one node', () => {
      expect(count(owned({ nodes: 3, skew: 0 }), 3)).to.deep.equal([0, 500, 500]);
      expect(count(owned({ nodes: 3, skew: 1 }), 3)).to.deep.equal([1000, 0, 0]);
      expect(count(owned({ nodes: 1, skew: 0.3 }), 1)).to.deep.equal([1000]);
    });

    it('refuses a skew or a number of nodes that makes no sense', () => {
      expect(() => owned({ nodes: 8, skew: 1.1 })).to.throw(RangeError, 'skew');
      expect(() => owned({ nodes: 0 })).to.throw(RangeError, 'nodes');
    });
  });
});
