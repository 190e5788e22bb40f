// The bytes between gateway and worker: every field there and back, bodies as they are, and nothing read from what is
// damaged.
import { expect } from 'chai';
import fc from 'fast-check';
import {
  headResult,
  requestCodec,
  resultCodec,
  type RequestHead,
  type WireResult,
} from '../../src/openai/wire.ts';

const HEAD: RequestHead = {
  id: 'chatcmpl-1',
  route: '/v1/chat/completions',
  model: 'org/model:7b',
  stream: true,
  promptTokens: 12,
  maxTokens: 5,
  traceparent: '00-1-2-01',
  resume: { text: 'one "two"\n', chunks: 2 },
};
const bytesOf = (encoded: string | Uint8Array): Buffer => Buffer.from(encoded as Uint8Array);
const body = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));

describe('a request on the wire', () => {
  it('is u32 length, JSON head and body', () => {
    const sent = bytesOf(
      requestCodec.encode({ head: HEAD, body: Buffer.from('{"seed":12345678901234567890}') }),
    );
    const length = sent.readUInt32LE(0);
    expect(JSON.parse(sent.toString('utf8', 4, 4 + length))).to.deep.equal({ v: 1, ...HEAD });
    expect(sent.toString('utf8', 4 + length)).to.equal('{"seed":12345678901234567890}');
  });

  it('comes back with every field and every byte', () => {
    fc.assert(
      fc.property(body, (bytes) => {
        const back = requestCodec.decode(bytesOf(requestCodec.encode({ head: HEAD, body: bytes })));
        expect(back.head).to.deep.equal(HEAD);
        expect(back.body.equals(bytes)).to.equal(true);
      }),
    );
  });

  it('is refused when it is cut off, or of another version', () => {
    const sent = bytesOf(requestCodec.encode({ head: HEAD, body: Buffer.alloc(0) }));
    for (let length = 0; length < sent.length; length += 1)
      expect(() => requestCodec.decode(sent.subarray(0, length)), String(length)).to.throw(SyntaxError);
    const other = Buffer.from(sent);
    other.write('9', other.indexOf('"v":1') + 4);
    expect(() => requestCodec.decode(other)).to.throw(SyntaxError, 'version 9');
  });

  it('says nothing of what is in it when it is refused', () => {
    expect(() => requestCodec.decode(Buffer.from('\x08\0\0\0secretss')))
      .to.throw(SyntaxError)
      .that.not.matches(/secret/);
  });
});

describe('a result on the wire', () => {
  const results: WireResult[] = [
    { kind: 'claimed', claimed: { worker: 'w1', attempt: 2, queuedMs: 4 } },
    headResult({ status: 200, contentType: 'text/event-stream', resumable: true, resumedTokens: 3 }),
    { kind: 'head', head: { status: 400 }, body: Buffer.from('{"error":{}}') },
    { kind: 'body', body: Buffer.from([0, 255, 0x42, 0x48]) },
    { kind: 'body', body: Buffer.alloc(0) },
    { kind: 'interrupted', interrupted: { reason: 'engine', message: 'ECONNRESET' } },
  ];
  for (const result of results) {
    it(`comes back as it was: ${result.kind}`, () => {
      expect(resultCodec.decode(bytesOf(resultCodec.encode(result)))).to.deep.equal(result);
    });
  }

  it('begins with the byte of its kind', () => {
    const kinds = results.map((result) => String.fromCharCode(bytesOf(resultCodec.encode(result))[0]!));
    expect(kinds.join('')).to.equal('CHHBBI');
  });

  it('of bytes of the body has one byte more than they', () => {
    fc.assert(
      fc.property(body, (bytes) => {
        const sent = bytesOf(resultCodec.encode({ kind: 'body', body: bytes }));
        expect(sent.length).to.equal(bytes.length + 1);
        expect(resultCodec.decode(sent)).to.deep.equal({ kind: 'body', body: bytes });
      }),
    );
  });

  it('is refused when it is damaged', () => {
    for (const text of ['', 'X', 'H', 'H\x05\0\0\0{}', 'C', 'C[]', 'I{', 'H\xff\xff\xff\xff{}'])
      expect(() => resultCodec.decode(Buffer.from(text, 'latin1')), text).to.throw(SyntaxError);
  });
});
