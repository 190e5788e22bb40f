import { expect } from 'chai';
import { NO_TICK, hex } from '../../src/base/ticket.ts';
import { Grants } from '../../src/protocol/grants.ts';
import type { ClaimedTicket, SentClaim } from '../../src/protocol/wire.ts';

/** A claim as its answer gives it, and then as it is held. */
function granted(grants: Grants, on: number, ...fences: number[]): SentClaim[] {
  const claims = fences.map((fence) => ({ fence: hex(fence, 14) }) as ClaimedTicket);
  grants.granted(hex(on, 14), claims);
  return claims.map((claim) => ({ ...claim, isHeld: true }) as unknown as SentClaim);
}

describe('grants of a shard', () => {
  let grants: Grants;
  const vouched = (...claims: SentClaim[]): boolean[] => claims.map((claim) => grants.vouchesFor(claim));
  beforeEach(() => (grants = new Grants()));

  it('are vouched for, and the last is the mark', () => {
    expect(grants.mark).to.equal(NO_TICK);
    const claims = granted(grants, 0, 5, 7);
    expect(grants.mark).to.equal(hex(7, 14));
    expect(vouched(...claims, ...granted(grants, 7, 9))).to.deep.equal([true, true, true]);
    granted(grants, 9);
    expect(grants.mark).to.equal(hex(9, 14));
    expect(vouched(...claims)).to.deep.equal([true, true]);
  });

  it('are doubted, all, when a claim was granted on another history, and so is what it gave', () => {
    const [claim] = granted(grants, 0, 5);
    const [later] = granted(grants, 4, 9);
    expect(vouched(claim!, later!)).to.deep.equal([false, false]);
    expect(grants.mark).to.equal(hex(9, 14));
    const [third] = granted(grants, 9, 11);
    expect(vouched(claim!, later!, third!)).to.deep.equal([false, false, true]);
    granted(grants, 4);
    expect(vouched(third!), 'one that gave nothing tells it, too').to.deep.equal([false]);
  });

  it('are doubted when results began a new count, but those that were checked', () => {
    const [a, b] = granted(grants, 0, 5, 6);
    grants.answered(hex(6, 14), hex(6, 14));
    expect(vouched(a!, b!)).to.deep.equal([true, true]);
    grants.answered(hex(6, 14), hex(8, 14));
    grants.vouchFor(a!);
    expect([...vouched(a!, b!), grants.mark]).to.deep.equal([true, false, hex(8, 14)]);
  });

  it('have a mark that never falls', () => {
    granted(grants, 0, 9);
    grants.answered(hex(9, 14), hex(4, 14));
    granted(grants, 9, 3);
    expect(grants.mark).to.equal(hex(9, 14));
  });

  it('are vouched for while they are held', () => {
    const [claim] = granted(grants, 0, 5);
    claim!.isHeld = false;
    expect(vouched(claim!)).to.deep.equal([false]);
  });

  it('that nobody vouched for are doubted', () => {
    const claim = { isHeld: true, vouchedIn: -1 } as SentClaim;
    expect(vouched(claim)).to.deep.equal([false]);
  });
});
