import { expect } from 'chai';
import { MAX_CARD_BYTES, cardText, parseCard, type Card } from '../../src/protocol/card.ts';

const most = Number.MAX_SAFE_INTEGER;
const quantiles = { count: most, p50: most, p99: most };
const FULL: Card = {
  ...{ host: 'h'.repeat(64), pid: most, version: '10.20.30-beta.40', policy: 'oldest', role: 'engine' },
  ...{
    leaseMs: most,
    keepAliveMs: most,
    ttlMs: most,
    upMs: most,
    draining: false,
    pending: most,
    held: most,
    running: most,
  },
  ...{ room: { tokens: most, requests: most }, nextTryMs: most },
  totals: {
    ...{ accepted: most, refused: most, finished: most, failed: most, cancelled: most, expired: most },
    ...{ putAgain: most, claimed: most, stolenIn: most, stolenOut: most, givenBack: most, leasesLost: most },
    ...{ results: most, resultBytes: most },
  },
  lastMinute: { queued: quantiles, ran: quantiles },
};

describe('the card of a node', () => {
  it('is what was written, and bounded whatever its figures are', () => {
    const text = cardText(FULL);
    expect(Buffer.byteLength(text)).to.be.within(1, 1_200);
    expect(parseCard(text)).to.deep.equal(FULL);
    const long = parseCard(cardText({ ...FULL, host: 'ü'.repeat(300) }))!;
    expect(long.host).to.equal('ü'.repeat(64));
    expect(cardText({ ...FULL, version: 'v'.repeat(MAX_CARD_BYTES) })).to.equal('');
  });

  it('of another version is read as far as it can be', () => {
    const later = {
      ...FULL,
      more: [1],
      role: 'a new one',
      room: 'none',
      lastMinute: null,
      pid: '7',
      held: -1,
    };
    const read = parseCard(JSON.stringify(later))!;
    expect(read).to.deep.equal({
      ...FULL,
      ...{ role: 'front', room: { tokens: 0, requests: 0 }, lastMinute: { queued: null, ran: null } },
      ...{ pid: 0, held: 0 },
    });
    expect(parseCard('{}')).to.deep.include({
      host: '',
      version: '',
      role: 'front',
      room: null,
      draining: false,
    });
  });

  it('is none if it cannot be read', () => {
    for (const text of [undefined, '', 'x', '[]', 'null', '7', '{"host":'])
      expect(parseCard(text), text).to.equal(undefined);
  });
});
