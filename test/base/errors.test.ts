import { expect } from 'chai';
import { messageOf, show } from '../../src/base/errors.ts';
import { ODD_THROWS } from '../support/odd-throws.ts';

describe('messageOf', () => {
  for (const [name, thrown] of Object.entries(ODD_THROWS)) {
    it(`has words for ${name}`, () => {
      const message = messageOf(thrown());
      expect(message).to.be.a('string').that.is.not.equal('');
      expect(() => show(thrown())).to.not.throw();
    });
  }

  it('is the message of an error, and else the value as a text', () => {
    expect(messageOf(new TypeError('bad'))).to.equal('bad');
    expect(messageOf(new TypeError(''))).to.equal('TypeError');
    expect(messageOf({ code: 'E_GPU', message: 'no gpu' }), 'of what is thrown like one').to.equal('no gpu');
    expect([messageOf('text'), messageOf(7), messageOf(undefined)]).to.deep.equal(['text', '7', 'undefined']);
  });
});
