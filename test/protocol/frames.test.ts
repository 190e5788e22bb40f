import { expect } from 'chai';
import fc from 'fast-check';
import { hex } from '../../src/base/ticket.ts';
import { fenceOf, isWhole, readFrame, writeFrame } from '../../src/protocol/frames.ts';
import { parseMail } from '../../src/protocol/replies.ts';
import type { Payload } from '../../src/base/codec.ts';

interface Chunk {
  fence: string;
  number: number;
  payload: Payload;
  ticket: string | undefined;
}

function written(chunks: readonly Chunk[]): Buffer {
  const framed = chunks.map(({ fence, number, payload }) => ({
    ...{ claim: { fenceNumber: parseInt(fence, 16) }, number, payload },
    bytes: Buffer.byteLength(payload),
  }));
  return writeFrame(
    framed,
    chunks.map(({ ticket }) => ticket),
  );
}

function read(entry: Buffer, from: number, count: number): Chunk[] {
  const chunks: Chunk[] = [];
  readFrame(entry, from, count, (fence, number, payload, ticket) =>
    chunks.push({ fence: fenceOf(fence), number, payload, ticket }),
  );
  return chunks;
}

describe('a frame', () => {
  it('has heads of 16 bytes, then bodies, of which some begin with a ticket', () => {
    const chunks = [
      { fence: '00065432100fab', number: 1, payload: 'one', ticket: 'a|ö' },
      { fence: '0fffffffffffff', number: 0xfedcba98, payload: Buffer.from('2'), ticket: undefined },
      { fence: '00000000000001', number: 3, payload: '', ticket: undefined },
    ];
    const heads = [
      ...['00065432100fab' + '00000001' + '01' + '0000000b'],
      ...['0fffffffffffff' + 'fedcba98' + '00' + '00000001'],
      ...['00000000000001' + '00000003' + '00' + '00000000'],
    ];
    expect(written(chunks).toString('hex')).to.equal(
      heads.join('') + Buffer.from('0004a|öone2').toString('hex'),
    );
  });

  it('is read as it was written, wherever it stands', () => {
    const chunk = fc.record({
      fence: fc.bigInt({ min: 0n, max: 2n ** 52n }).map((n) => n.toString(16).padStart(14, '0')),
      number: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      payload: fc.oneof(
        fc.string({ unit: 'grapheme' }),
        fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      ),
      ticket: fc.option(fc.string({ unit: 'grapheme', minLength: 1 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(chunk), fc.nat(9), (chunks, from) => {
        const entry = Buffer.concat([Buffer.alloc(from), written(chunks), Buffer.alloc(3)]);
        expect(read(entry, from, chunks.length)).to.deep.equal(
          chunks.map((one) => ({ ...one, payload: Buffer.from(one.payload) })),
        );
      }),
    );
  });

  it('keeps halves of a character apart, as their sizes were', () => {
    const chunks = ['a\ud83d', '\ude00b', '', 'c\ud83d', '\ude00'].map((payload, i) => ({
      ...{ fence: hex(i, 14), number: i, payload, ticket: undefined },
    }));
    expect(read(written(chunks), 0, chunks.length)).to.deep.equal(
      chunks.map((one) => ({ ...one, payload: Buffer.from(one.payload) })),
    );
  });

  it('is whole if its heads and bodies end where it ends', () => {
    const chunks = ['one', '', 'three'].map((payload, i) => ({
      ...{ fence: hex(i, 14), number: i, payload, ticket: i === 0 ? 'a|t' : undefined },
    }));
    const frame = written(chunks);
    for (const from of [0, 5]) {
      const entry = Buffer.concat([Buffer.alloc(from), frame]);
      expect(isWhole(entry, from, 3)).to.equal(true);
      expect(isWhole(entry, from, 2), 'a head is taken for bodies').to.equal(false);
      expect(isWhole(Buffer.concat([entry, Buffer.alloc(1)]), from, 3)).to.equal(false);
      for (let end = from; end < entry.length; end += 1)
        expect(isWhole(entry.subarray(0, end), from, 3), `${end} bytes`).to.equal(false);
    }
    for (const count of [0, NaN]) expect(isWhole(Buffer.alloc(5), 5, count), `${count}`).to.equal(false);
  });

  it('is an entry of a mailbox, with its count in front', () => {
    const frame = written([
      { fence: '00000000000002', number: 7, payload: '|F|', ticket: 'b|t' },
      { fence: '00000000000003', number: 8, payload: 'x', ticket: undefined },
    ]);
    const totals = '0'.repeat(41) + '9';
    const entry = Buffer.concat([Buffer.from(`b|00000000000004|F${totals}0002`), frame]);
    const mail = parseMail(entry);
    if (!('entry' in mail)) throw new Error('it is a frame');
    expect([mail.tick, mail.totals, mail.count]).to.deep.equal(['00000000000004', totals, 2]);
    expect(read(mail.entry, mail.from, mail.count).map(({ fence, ticket }) => [fence, ticket])).to.deep.equal(
      [
        ['00000000000002', 'b|t'],
        ['00000000000003', undefined],
      ],
    );
  });
});
