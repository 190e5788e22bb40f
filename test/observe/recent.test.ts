import { expect } from 'chai';
import { LastMinute } from '../../src/observe/recent.ts';

describe('the durations of the last minute', () => {
  const at = { ms: 1_000_000 };
  const minute = (): LastMinute => new LastMinute(() => at.ms);

  it('has none at first', () => {
    expect(minute().quantiles()).to.equal(null);
  });

  for (const value of [0, 0.5, 1, 7, 100, 12_345, 3_600_000]) {
    it(`tells one of ${value} ms, at most 9 % off`, () => {
      const one = minute();
      one.add(value);
      const { count, p50, p99 } = one.quantiles()!;
      expect([count, p50]).to.deep.equal([1, p99]);
      expect(Math.abs(p50 - value)).to.be.at.most(Math.max(1, 0.1 * value));
    });
  }

  it('tells the middle, and what one in a hundred is above', () => {
    const many = minute();
    for (let ms = 1; ms <= 1_000; ms += 1) many.add(ms);
    const { count, p50, p99 } = many.quantiles()!;
    expect(count).to.equal(1_000);
    expect(p50).to.be.within(455, 545);
    expect(p99).to.be.within(900, 1_080);
  });

  it('forgets what is older than a minute, and no more than ten seconds before that', () => {
    const one = minute();
    at.ms = 2_000_005;
    one.add(100);
    at.ms += 59_000;
    one.add(1_000);
    expect(one.quantiles()!.count).to.equal(2);
    at.ms += 12_000;
    expect(one.quantiles()!.count).to.equal(1);
    at.ms += 3_600_000;
    expect(one.quantiles()).to.equal(null);
  });

  it('takes what is no duration, or longer than any, without harm', () => {
    const odd = minute();
    for (const value of [-5, NaN, Infinity, 1e300]) odd.add(value);
    expect(odd.quantiles()!.count).to.equal(4);
  });
});
