import { expect } from 'chai';
import { simulateIdeal } from '../../../scripts/fleet/ideal.ts';
import { figuresOf } from '../../../scripts/fleet/figures.ts';
import { Random } from '../../../scripts/lib/traffic/random.ts';
import type { OwnedArrival } from '../../../scripts/lib/traffic/scale.ts';

/** Prompt tokens per ms of service: fine enough that the rounding to whole tokens does not show. */
const TOKENS_PER_MS = 1_000;

/** One sequence at a time, served in one iteration that takes as long as its prompt says: a textbook server. */
const SERVER = {
  ...{ maxSequences: 1, prefillChunk: 2 ** 32, totalBlocks: 2 ** 32, blockSize: 1_000 },
  ...{ iterationMs: 1e-6, decodeMs: 0, prefillMs: 1 / TOKENS_PER_MS },
};

const SERVICE_MS = 10;
const REQUESTS = 80_000;
const SEED = 1;

/** Waiting times of Poisson arrivals with exponential service at so many servers, utilised so much. */
function waits(servers: number, utilisation: number): number[] {
  const random = new Random(SEED);
  const gaps = exponentials(random, SERVICE_MS / (servers * utilisation));
  const services = exponentials(random, SERVICE_MS);
  let atMs = 0;
  const arrivals = gaps.map((gap, i): OwnedArrival => {
    atMs += gap;
    return { atMs, promptTokens: Math.round(services[i]! * TOKENS_PER_MS), outputTokens: 1, owner: 0 };
  });
  const { journeys } = simulateIdeal(arrivals, servers, SERVER);
  return journeys.map(({ prefillAt, atMs: arrivedAt }) => prefillAt - arrivedAt);
}

/** The quantiles of the distribution in random order: only the order is left to chance, and the variance is small. */
function exponentials(random: Random, mean: number): number[] {
  const quantiles = Array.from({ length: REQUESTS }, (_, i) => -mean * Math.log1p(-(i + 0.5) / REQUESTS));
  return random.shuffle(quantiles);
}

/** Erlang's C: the share of arrivals that wait. */
function erlangC(servers: number, utilisation: number): number {
  const offered = servers * utilisation;
  let term = 1;
  let sum = 0;
  for (let n = 0; n < servers; n += 1) {
    sum += term;
    term *= offered / (n + 1);
  }
  const waiting = term / (1 - utilisation);
  return waiting / (sum + waiting);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

describe('the ideal queue', () => {
  for (const { name, servers, utilisation } of [
    { name: 'M/M/1', servers: 1, utilisation: 0.6 },
    { name: "M/M/4, by Erlang's C", servers: 4, utilisation: 0.7 },
  ])
    it(`makes as many wait, and as long, as ${name}, within 3 %`, function () {
      this.timeout(60_000);
      const waited = waits(servers, utilisation);
      const share = erlangC(servers, utilisation);
      expect(waited.filter((ms) => ms > 0).length / REQUESTS).to.be.closeTo(share, 0.03 * share);
      const meanMs = (share * SERVICE_MS) / (servers * (1 - utilisation));
      expect(mean(waited)).to.be.closeTo(meanMs, 0.03 * meanMs);
    });

  it('knows M/M/1 as the case of one server', () => {
    expect(erlangC(1, 0.6)).to.be.closeTo(0.6, 1e-12);
  });

  it('starts first come first served, keeps no slot idle while one waits, and ends every request once', () => {
    const random = new Random(7);
    const arrivals = Array.from({ length: 400 }, (_, i) => ({
      ...{ atMs: i * 20, owner: 0 },
      ...{ promptTokens: random.int(1, 6_000), outputTokens: random.int(1, 60) },
    }));
    const history = simulateIdeal(arrivals, 2, { maxSequences: 8 });
    const figures = figuresOf(history);
    expect(figures).to.include({ requests: 400, inversions: 0, workConservation: 0, unsound: 0 });
    expect(figures.queueDelayMs.p99, 'it was busy').to.be.greaterThan(1_000);
    for (const { atMs, enteredAt, prefillAt, firstTokenAt, finishedAt } of history.journeys) {
      const order = [atMs, enteredAt, prefillAt, firstTokenAt, finishedAt];
      expect(order).to.deep.equal([...order].sort((one, other) => one - other));
    }
  });
});
