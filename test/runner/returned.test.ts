import { expect } from 'chai';
import { Returned } from '../../src/runner/returned.ts';

describe('what is given back by a loop', () => {
  const AT_ONCE = { afterMs: 0 };

  it('is given back at once, and from the second time on as its caller says', () => {
    const returned = new Returned();
    const reason = { elsewhere: true };
    expect(returned.pausing('a', reason)).to.deep.equal({ ...AT_ONCE, ...reason });
    expect(returned.pausing('b', { afterMs: 7 }), 'a pause that is asked for').to.deep.equal({ afterMs: 7 });
    for (const ticket of ['a', 'b', 'a']) expect(returned.pausing(ticket, reason)).to.equal(reason);
  });

  it('is forgotten once a result was sent', () => {
    const returned = new Returned();
    returned.forget();
    returned.pausing('a', {});
    returned.forget();
    expect(returned.pausing('a', {})).to.deep.equal(AT_ONCE);
    expect(returned.pausing('a', {})).to.deep.equal({});
  });

  it('is forgotten, too, where there are ten thousand', () => {
    const returned = new Returned();
    for (let i = 0; i < 10_000; i += 1) returned.pausing(`t${i}`, {});
    expect(returned.pausing('t0', {})).to.deep.equal({});
    expect(returned.pausing('one more', {})).to.deep.equal(AT_ONCE);
    expect(returned.pausing('one more', {}), 'but for the last').to.deep.equal({});
    expect(returned.pausing('t0', {})).to.deep.equal(AT_ONCE);
  });
});
