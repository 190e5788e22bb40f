import { expect } from 'chai';
import { ConfigError } from '../../src/index.ts';
import { Breaker, type BreakerOptions } from '../../src/runner/breaker.ts';

/** Three requests in a row fail at this time. */
function opened(at = 0, options: BreakerOptions = {}): Breaker {
  const breaker = new Breaker(options);
  for (const claim of ['a', 'b', 'c']) breaker.began(claim);
  expect(['a', 'b', 'c'].map((claim) => breaker.failed(claim, at))).to.deep.equal([
    ...[undefined, undefined, 'opened'],
  ]);
  return breaker;
}

/** A trial begins and fails; the pause after it. */
function failedTrial(breaker: Breaker, at: number): number | undefined {
  expect(breaker.most(at)).to.equal(1);
  breaker.began('trial');
  expect(breaker.failed('trial', at)).to.equal('opened');
  return breaker.pauseMs;
}

describe('a breaker', () => {
  it('lets begin what there is room for, until a request fails', () => {
    const breaker = new Breaker();
    expect([breaker.most(0), breaker.restMs(0), breaker.pauseMs]).to.deep.equal([
      Infinity,
      Infinity,
      undefined,
    ]);
  });

  it('lets no more begin after a failure than are left to open it', () => {
    const breaker = new Breaker();
    breaker.began('a');
    breaker.failed('a', 0);
    expect(breaker.most(0)).to.equal(2);
    breaker.began('b');
    expect(breaker.most(0)).to.equal(1);
    breaker.began('c');
    expect([breaker.most(0), breaker.restMs(0)]).to.deep.equal([0, Infinity]);
    breaker.ended('b');
    expect(breaker.most(0), 'one is over that said nothing').to.equal(1);
    breaker.failed('c', 0);
    breaker.ended('c');
    expect(breaker.most(0)).to.equal(1);
    expect(breaker.worked('d')).to.equal(undefined);
    expect(breaker.most(0), 'it works').to.equal(Infinity);
  });

  it('opens after so many failures in a row, not with a success between them', () => {
    const breaker = new Breaker({ failures: 2 });
    breaker.failed('a', 0);
    breaker.worked('b');
    expect(breaker.failed('c', 0)).to.equal(undefined);
    expect(breaker.failed('d', 0)).to.equal('opened');
    expect([breaker.failures, breaker.pauseMs]).to.deep.equal([2, 1_000]);
  });

  it('lets nothing begin while it is open, and one after the pause', () => {
    const breaker = opened(500);
    expect([breaker.most(500), breaker.restMs(500)]).to.deep.equal([0, 1_000]);
    expect([breaker.most(1_499), breaker.restMs(1_499)]).to.deep.equal([0, 1]);
    expect([breaker.most(1_500), breaker.restMs(1_500)]).to.deep.equal([1, 0]);
    breaker.began('trial');
    expect([breaker.most(9_999), breaker.restMs(9_999)]).to.deep.equal([0, Infinity]);
    expect([breaker.isTrial('trial'), breaker.isTrial('a')]).to.deep.equal([true, false]);
  });

  it('closes when the trial works', () => {
    const breaker = opened();
    breaker.began('trial');
    expect(breaker.worked('trial')).to.equal('closed');
    expect([breaker.most(1_000), breaker.failures, breaker.pauseMs]).to.deep.equal([Infinity, 0, undefined]);
  });

  it('doubles the pause when it fails, up to the longest', () => {
    const breaker = opened(0, { pauseMs: 1_000, maxPauseMs: 5_000 });
    expect([1_000, 3_000, 7_000, 12_000].map((at) => failedTrial(breaker, at))).to.deep.equal([
      ...[2_000, 4_000, 5_000, 5_000],
    ]);
    expect(breaker.restMs(12_000)).to.equal(5_000);
  });

  it('begins with the first pause again once it was closed', () => {
    const breaker = opened();
    failedTrial(breaker, 1_000);
    breaker.began('trial');
    breaker.worked('trial');
    for (const claim of ['d', 'e', 'f']) breaker.failed(claim, 9_000);
    expect(breaker.pauseMs).to.equal(1_000);
  });

  it('is not moved by what began before it opened: neither by its failure nor by what the engine still gave', () => {
    const breaker = opened();
    breaker.began('trial');
    expect(breaker.failed('old', 1_000)).to.equal(undefined);
    expect(breaker.worked('older')).to.equal(undefined);
    breaker.ended('oldest');
    expect([breaker.pauseMs, breaker.isTrial('trial')]).to.deep.equal([1_000, true]);
  });

  it('tries another at once when a trial says nothing of the engine', () => {
    const breaker = opened();
    breaker.began('trial');
    breaker.ended('trial');
    expect([breaker.most(1_000), breaker.pauseMs]).to.deep.equal([1, 1_000]);
  });

  for (const [option, options] of [
    ['failures', { failures: 0 }],
    ['failures', { failures: 1.5 }],
    ['failures', { failures: '3' }],
    ['pauseMs', { pauseMs: 0 }],
    ['pauseMs', { pauseMs: NaN }],
    ['maxPauseMs', { maxPauseMs: Infinity }],
    ['maxPauseMs', { pauseMs: 2_000, maxPauseMs: 1_999 }],
    ['pause', { pause: 1 }],
  ] as const)
    it(`refuses ${JSON.stringify(options)}`, () => {
      expect(() => new Breaker(options as unknown as BreakerOptions))
        .to.throw(ConfigError)
        .with.property('option', `breaker.${option}`);
    });

  it('takes a first pause above the longest by default', () => {
    expect(failedTrial(opened(0, { pauseMs: 60_000 }), 60_000)).to.equal(60_000);
  });
});
