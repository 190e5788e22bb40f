import { expect } from 'chai';
import { FAULT_NAMES, drawSetup, makePlan } from '../../../scripts/chaos/plan.ts';

const SEEDS = Array.from({ length: 20 }, (_, seed) => seed);

describe('the plan of a chaos run', () => {
  it('is the same for the same seed', () => {
    expect(makePlan(5, 30, FAULT_NAMES)).to.deep.equal(makePlan(5, 30, FAULT_NAMES));
    expect(makePlan(5, 30, FAULT_NAMES)).to.not.deep.equal(makePlan(6, 30, FAULT_NAMES));
    expect(drawSetup(5)).to.deep.equal(drawSetup(5));
  });

  it('has every kind of fault once before it has any of them twice', () => {
    for (const seed of SEEDS) {
      const names = makePlan(seed, 60, FAULT_NAMES).map(({ name }) => name);
      expect(names.slice(0, FAULT_NAMES.length)).to.have.members(FAULT_NAMES);
    }
  });

  it('has a third of all kinds at a time, and all of them in a while', () => {
    const plan = makePlan(5, 300, 'third');
    const parts = new Map<number, Set<string>>();
    for (const { atMs, name } of plan) {
      const part = Math.floor(atMs / 30_000);
      parts.set(part, (parts.get(part) ?? new Set()).add(name));
    }
    expect([...parts.values()].map(({ size }) => size)).to.deep.equal(Array(10).fill(FAULT_NAMES.length / 3));
    expect(new Set(plan.map(({ name }) => name))).to.have.all.keys(...FAULT_NAMES);
    expect(plan.map(({ atMs }) => atMs)).to.deep.equal(plan.map(({ atMs }) => atMs).sort((a, b) => a - b));
  });

  it('draws one and several load shards, and both policies', () => {
    const setups = Array.from({ length: 200 }, (_, seed) => drawSetup(seed));
    const shards = [...new Set(setups.map(({ loadShards }) => loadShards))];
    expect(shards).to.have.members([1, 2, 3, 4]);
    expect(new Set(setups.map(({ policy }) => policy))).to.have.all.keys('oldest', 'lucky');
  });
});
