// The codec of token ids: what it sends, what it refuses to send, and what it makes of bytes that are damaged.
import { expect } from 'chai';
import fc from 'fast-check';
import { ConfigError } from '../../src/base/errors.ts';
import { copyOf, isAlone, isOfTokens, jsonCodec, toBuffer, type Codec } from '../../src/base/codec.ts';
import { tokensCodec, tokensCodecOf } from '../../src/base/tokens-codec.ts';

const codec = tokensCodec();
/** As on a machine whose numbers are big-endian: it writes and reads number by number. */
const foreign = tokensCodecOf(new Set(), false);

function bytesOf(value: unknown, by: Codec<unknown> = codec): Buffer {
  return toBuffer(by.encode(value) as string | Buffer);
}

/** The bytes in the middle of a larger memory, as a socket gives them; `offset` of their first byte. */
function within(bytes: Buffer, offset: number): Buffer {
  const larger = Buffer.alloc(bytes.length + 16, 0xee).subarray(offset, offset + bytes.length);
  bytes.copy(larger);
  return larger;
}

/** The bytes in a memory of exactly their size. */
function alone(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}

/** Ids over all of their range, the ends among them. */
function idsUpTo(length: number): Uint32Array {
  return Uint32Array.from({ length }, (_, i) => (i === 0 ? 2 ** 32 - 1 : (i * 2_654_435_761) % 2 ** 32));
}

/** What the act throws. */
function thrown(act: () => unknown): Error {
  try {
    act();
  } catch (error) {
    expect(error).to.be.instanceOf(Error);
    return error as Error;
  }
  throw new Error('it did not throw');
}

/** A payload with such a JSON part and such bytes behind it. */
function payload(json: string, ids = Buffer.alloc(0), length?: number): Buffer {
  const padded = json.padEnd(Math.ceil(json.length / 4) * 4);
  const prefix = Buffer.from('TOK1....');
  prefix.writeUInt32LE(length ?? padded.length, 4);
  return Buffer.concat([prefix, Buffer.from(padded), ids]);
}

const words = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constant('__proto__'));
const arrays = fc.oneof(
  fc.uint32Array({ maxLength: 40 }),
  fc.int32Array({ maxLength: 40 }),
  // a part of a larger memory
  fc.uint32Array({ minLength: 3, maxLength: 40 }).map((ids) => ids.subarray(1, -1)),
);
/** What JSON holds, as JSON gives it back. */
const json = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown);
/** An object with fields of both kinds; `__proto__` is a field as any other. */
const objects = fc
  .uniqueArray(fc.tuple(words, fc.oneof(arrays, json)), { selector: ([name]) => name, maxLength: 8 })
  .map((fields) => Object.fromEntries(fields));

describe('the codec tokens', () => {
  it('gives back what it was given, wherever the bytes stand, on machines of both byte orders', () => {
    fc.assert(
      fc.property(fc.oneof(objects, arrays, json), fc.integer({ min: 0, max: 7 }), (value, offset) => {
        const bytes = bytesOf(value);
        expect(bytesOf(value, foreign).equals(bytes)).to.equal(true);
        for (const by of [codec, foreign])
          for (const received of [within(bytes, offset), alone(bytes)])
            expect(by.decode(received)).to.deep.equal(value);
      }),
      { numRuns: 500 },
    );
  });

  it('keeps the order of fields, and a field of the name __proto__ as a field', () => {
    const value = JSON.parse('{"a":1,"__proto__":2,"b":3,"c":[]}') as Record<string, unknown>;
    Object.defineProperty(value, '__proto__', { value: Uint32Array.of(5), enumerable: true });
    value.b = Int32Array.of(-1);
    const back = codec.decode(bytesOf(value)) as object;
    expect(Object.keys(back)).to.deep.equal(['a', '__proto__', 'b', 'c']);
    expect(Object.getPrototypeOf(back)).to.equal(Object.prototype);
    expect(Object.values(back)).to.deep.equal([1, Uint32Array.of(5), Int32Array.of(-1), []]);
  });

  it('writes a layout that others can read: little-endian, ids at a multiple of 4', () => {
    const value = { id: 'ä', ids: Uint32Array.of(1, 0x04030201), n: 7, more: Int32Array.of(-2) };
    const part = '[{"id":"ä","ids":null,"n":7,"more":null},[["u32",2,"ids"],["i32",1,"more"]]]';
    const length = Buffer.byteLength(part);
    const padded = Buffer.concat([Buffer.from(part), Buffer.alloc(3 - ((length + 3) % 4), ' ')]);
    expect(padded.length % 4).to.equal(0);
    const prefix = Buffer.from([0x54, 0x4f, 0x4b, 0x31, padded.length, 0, 0, 0]);
    const ids = Buffer.from([1, 0, 0, 0, 1, 2, 3, 4, 0xfe, 0xff, 0xff, 0xff]);
    const expected = Buffer.concat([prefix, padded, ids]);
    expect(bytesOf(value).toString('latin1')).to.equal(expected.toString('latin1'));
    expect(bytesOf(value, foreign).equals(expected)).to.equal(true);
  });

  it('is JSON where there are no typed arrays, and reads what the codec json wrote', () => {
    const plain = {
      request_id: 'r',
      prompt_token_ids: [1, 2, 3],
      at: new Date(0),
      none: undefined,
      nan: NaN,
    };
    for (const value of [plain, 'text', 7, true, null, [], [[1]], new String('boxed'), new Map([[1, 2]])]) {
      expect(codec.encode(value)).to.equal(JSON.stringify(value));
      expect(codec.decode(bytesOf(value, jsonCodec()))).to.deep.equal(JSON.parse(JSON.stringify(value)));
    }
  });

  it('takes what toJSON gives', () => {
    class Job {
      readonly #ids = Uint32Array.of(1, 2);
      toJSON(): object {
        return { ids: this.#ids, by: 'toJSON' };
      }
    }
    expect(codec.decode(bytesOf(new Job()))).to.deep.equal({ ids: Uint32Array.of(1, 2), by: 'toJSON' });
    // as JSON does: what toJSON gives is not asked again
    const date = { toJSON: () => new Date(0) };
    expect(codec.encode(date)).to.equal(JSON.stringify(date));
  });

  it('encodes at once: what is changed afterwards is not sent', () => {
    const ids = idsUpTo(2_000);
    const bytes = bytesOf({ ids });
    ids.fill(0);
    expect(codec.decode(bytes)).to.deep.equal({ ids: idsUpTo(2_000) });
  });

  it('gives views on a payload that is alone in its memory, and copies of any other', () => {
    const bytes = bytesOf({ ids: idsUpTo(2_000), few: Int32Array.of(1) });
    expect(isAlone(bytes), 'what it encodes, if it is large, is alone').to.equal(true);
    const views = codec.decode(bytes) as { ids: Uint32Array; few: Int32Array };
    expect(views.ids.buffer).to.equal(bytes.buffer);
    expect(views.few.buffer).to.equal(bytes.buffer);
    expect((foreign.decode(bytes) as typeof views).ids.buffer).not.to.equal(bytes.buffer);
    for (const received of [within(bytes, 0), within(bytes, 3)]) {
      const copies = codec.decode(received) as typeof views;
      received.fill(0);
      expect(copies).to.deep.equal({ ids: idsUpTo(2_000), few: Int32Array.of(1) });
      expect([copies.ids.buffer.byteLength, copies.few.buffer.byteLength]).to.deep.equal([8_000, 4]);
    }
  });

  it('tells how many ids there are without looking at any', () => {
    const bytes = bytesOf({ prompt_token_ids: idsUpTo(5_000) });
    const before = codec.decode(bytes) as { prompt_token_ids: Uint32Array };
    // the count is in the JSON part alone
    expect(bytes.toString('latin1', 8, 100)).to.include('["u32",5000,"prompt_token_ids"]');
    expect(before.prompt_token_ids.length).to.equal(5_000);
  });
});

describe('copies of payloads', () => {
  it('are not shared; large ones are alone in their memory, small ones are not', () => {
    const { poolSize } = Buffer;
    // as other versions of Node.js have it
    Buffer.poolSize = 2 ** 17;
    try {
      for (const text of ['a', 'ä', 'ö'.repeat(100), 'x'.repeat(5_000), '漢'.repeat(20_000)]) {
        const payload = Buffer.from(text);
        const copies = [copyOf(text), copyOf(payload)];
        payload.fill(0);
        for (const copy of copies) {
          expect(copy.toString()).to.equal(text);
          expect(isAlone(copy)).to.equal(text.length >= 5_000);
        }
      }
      expect(isAlone(bytesOf({ ids: idsUpTo(2_000) }))).to.equal(true);
    } finally {
      Buffer.poolSize = poolSize;
    }
  });
});

describe('the codec tokens with named fields', () => {
  const named = tokensCodec<{ ids?: unknown; other?: number[] }>({ fields: ['ids'] });
  const decode = (value: object): unknown => named.decode(bytesOf(value, named));

  it('takes plain arrays of them for token ids, and leaves those of others', () => {
    const ids = [0, 1, 2 ** 31, 2 ** 32 - 1];
    expect(decode({ ids, other: ids })).to.deep.equal({ ids: Uint32Array.from(ids), other: ids });
    expect(decode({ ids: [] })).to.deep.equal({ ids: new Uint32Array(0) });
    const one = bytesOf({ ids }, named);
    expect(one.equals(bytesOf({ ids: Uint32Array.from(ids) }))).to.equal(true);
  });

  it('leaves what is no array, and takes typed arrays', () => {
    for (const value of [{}, { ids: null }, { ids: 'text' }, { ids: 5 }, { ids: { length: 2 } }])
      expect(named.encode(value)).to.equal(JSON.stringify(value));
    expect(decode({ ids: Int32Array.of(-5) })).to.deep.equal({ ids: Int32Array.of(-5) });
  });

  for (const bad of [NaN, 1.5, -1, 2 ** 32, Infinity, '5', 5n, null, undefined, [5], true]) {
    it(`refuses ${typeof bad} ${String(bad)}, by its place, and does not show it`, () => {
      const error = thrown(() => named.encode({ ids: [7, 8, bad] }));
      expect(error).to.be.instanceOf(RangeError);
      expect(error.message).to.equal('"ids"[2] is no integer from 0 to 4294967295');
    });
  }

  it('refuses an array with holes', () => {
    const holes = [1];
    holes[2] = 3;
    expect(() => named.encode({ ids: holes })).to.throw(RangeError, '"ids"[1] ');
    const long: number[] = [];
    long.length = 2 ** 32 - 1;
    expect(() => named.encode({ ids: long })).to.throw(RangeError);
  });

  it('refuses options that are none', () => {
    for (const fields of ['ids', [1], {}, [undefined], 7])
      expect(() => tokensCodec({ fields } as never))
        .to.throw(ConfigError, /^fields is .*; allowed is an array of names of fields$/)
        .with.property('option', 'fields');
    expect(() => tokensCodec({ field: ['ids'] } as never)).to.throw(ConfigError, 'did you mean fields?');
    expect(() => tokensCodec(['ids'] as never)).to.throw(ConfigError);
  });
});

describe('what the codec tokens does not encode', () => {
  const others = [
    new Float32Array(1),
    new Float64Array(1),
    new Uint8Array(1),
    new Int16Array(1),
    new Uint8ClampedArray(1),
    new BigUint64Array(1),
    new DataView(new ArrayBuffer(4)),
    Buffer.alloc(4),
  ];
  for (const other of others) {
    const kind = Object.prototype.toString.call(other).slice(8, -1);
    it(`a ${Buffer.isBuffer(other) ? 'Buffer' : kind}: it is named, as JSON would make something else of it`, () => {
      const says = `is a ${kind}; token ids are a Uint32Array or an Int32Array`;
      expect(() => codec.encode({ ids: other })).to.throw(TypeError, `"ids" ${says}`);
      expect(() => codec.encode(other)).to.throw(TypeError, `the value ${says}`);
    });
  }

  it('token ids deeper inside the value', () => {
    const ids = Uint32Array.of(1);
    const values = [
      { a: { ids } },
      { a: [ids] },
      [ids],
      { ids, a: [[{ ids }]] },
      { a: { toJSON: () => ids } },
    ];
    for (const value of [...values, { a: { toJSON: () => ({ ids }) } }, { toJSON: () => [ids] }])
      expect(() => codec.encode(value)).to.throw(TypeError, 'a Uint32Array stands inside a field; only');
  });

  it('token ids whose memory was transferred: they are no empty prompt', () => {
    const ids = Uint32Array.of(1, 2);
    structuredClone(ids, { transfer: [ids.buffer] });
    for (const by of [codec, foreign]) expect(() => by.encode({ ids })).to.throw(TypeError, 'detached');
  });

  it('what JSON does not: undefined, a function, a big integer, what holds itself', () => {
    const circle: Record<string, unknown> = { ids: Uint32Array.of(1) };
    circle.self = circle;
    for (const value of [undefined, () => 1, Symbol('s')])
      expect(() => codec.encode(value)).to.throw(TypeError, 'the value has no JSON form');
    for (const value of [5n, { big: 5n, ids: Uint32Array.of(1) }, circle])
      expect(() => codec.encode(value)).to.throw(TypeError);
  });
});

describe('damaged bytes of the codec tokens', () => {
  const value = { request_id: 'secret', ids: idsUpTo(3), top_p: 0.5, more: Int32Array.of(-1, 5) };
  const bytes = bytesOf(value);

  /** Throws in words that show nothing of the bytes, or gives a value that can be sent again. */
  function isJudged(damaged: Buffer): boolean {
    let read: unknown;
    try {
      read = codec.decode(damaged);
    } catch (error) {
      expect(error).to.be.instanceOf(SyntaxError);
      const { message } = error as Error;
      expect(message).to.match(/^\d+ bytes (that are no JSON|of the codec tokens are damaged: [\w ,]+)$/);
      expect(message).not.to.include('secr');
      return false;
    }
    expect(codec.decode(bytesOf(read))).to.deep.equal(read);
    expect(foreign.decode(damaged)).to.deep.equal(read);
    return true;
  }

  it('each byte with each bit turned, and what JSON may have there: an error in words, or another value', () => {
    const start = 8 + bytes.readUInt32LE(4);
    let values = 0;
    const others = [...Buffer.from('\u0000 "09-.eui[]{}\\,:')];
    for (let at = 0; at < bytes.length; at += 1) {
      const turned = Array.from({ length: 8 }, (_, bit) => bytes[at]! ^ (1 << bit));
      for (const byte of new Set([...turned, bytes[at]! ^ 0xff, ...others])) {
        const damaged = alone(bytes);
        damaged[at] = byte;
        const judged = isJudged(damaged);
        if (judged) values += 1;
        // an id is as good as another; mark and lengths must be those
        if (at >= start) expect(judged).to.equal(true);
        else if (at < 8) expect(judged, `${at}: ${byte}`).to.equal(byte === bytes[at]);
      }
    }
    expect(values).to.be.above(20 * (bytes.length - start));
  });

  it('cut off anywhere, or with bytes behind: an error', () => {
    for (let length = 0; length < bytes.length; length += 1)
      expect(isJudged(bytes.subarray(0, length)), String(length)).to.equal(false);
    for (const more of [1, 2, 3, 4, 8])
      expect(isJudged(Buffer.concat([bytes, Buffer.alloc(more)]))).to.equal(false);
  });

  it('anything behind the mark: an error, or a value', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (rest) => {
        isJudged(Buffer.concat([Buffer.from('TOK1'), rest]));
      }),
    );
  });

  const four = Buffer.alloc(4);
  const lies: readonly [what: string, bytes: Buffer, says: string][] = [
    ['no length', Buffer.from('TOK1\u0000\u0000'), 'the JSON part is cut off'],
    ['a JSON part longer than all', payload('[{},[]]', four, 16), 'the JSON part is cut off'],
    ['a JSON part of 4 GiB', payload('[{},[]]', four, 2 ** 32 - 1), 'the JSON part is cut off'],
    ['a JSON part that ends between ids', payload('[{},[]] ', four, 9), 'the JSON part is cut off'],
    ['no JSON', payload('[{},[]'), 'which token ids follow'],
    [
      'no UTF-8',
      Buffer.from(payload('["?",[]]').map((byte) => (byte === 63 ? 0xff : byte))),
      'which token ids follow',
    ],
    ...['{}', '[]', '[{}]', '[{},{}]', '[{},[],0]', 'null', '[{},[["u32",1,"a"],7]]', '[{},[{}]]'].map(
      (json): [string, Buffer, string] => [json, payload(json, four), 'which token ids follow'],
    ),
    ...['["f32",1,"a"]', '[32,1,"a"]', '["u32",1,"a",0]', '["u32"]', '["u32",1,null]', '["u32",1,7]'].map(
      (row): [string, Buffer, string] => [
        row,
        payload(`[{"a":null},[${row}]]`, four),
        'which token ids follow',
      ],
    ),
    ...['-1', '1.5', '1e300', '9007199254740993', '"1"', 'null', 'true'].map(
      (count): [string, Buffer, string] => [
        `${count} ids`,
        payload(`[{"a":null},[["u32",${count},"a"]]]`, four),
        'which token ids follow',
      ],
    ),
    [
      'fewer ids than said',
      payload('[{"a":null},[["u32",2,"a"]]]', four),
      '2 token ids are to follow, and 4 bytes do',
    ],
    [
      'more ids than said',
      payload('[{"a":null},[["u32",0,"a"]]]', four),
      '0 token ids are to follow, and 4 bytes do',
    ],
    [
      'counts whose sum is too large',
      payload(`[null,[["u32",${2 ** 53 - 1}],["u32",${2 ** 53 - 1}]]]`, four),
      'follow',
    ],
    ['a field that is not there', payload('[{"b":null},[["u32",1,"a"]]]', four), 'have no place'],
    ['a field that is inherited', payload('[{},[["u32",1,"constructor"]]]', four), 'have no place'],
    ['a field that is not null', payload('[{"a":0},[["u32",1,"a"]]]', four), 'have no place'],
    ['a field of a list', payload('[[null],[["u32",1,"0"]]]', four), 'have no place'],
    ['a field of a text', payload('["a",[["u32",1,"length"]]]', four), 'have no place'],
    ['a field twice', payload('[{"a":null},[["u32",1,"a"],["u32",0,"a"]]]', four), 'have no place'],
    ['a value that is not null', payload('[{},[["u32",1]]]', four), 'have no place'],
    ['two arrays for one value', payload('[null,[["u32",1],["u32",0]]]', four), 'have no place'],
  ];
  for (const [what, lie, says] of lies) {
    it(`${what}: an error that says so`, () => {
      expect(isJudged(lie)).to.equal(false);
      expect(thrown(() => codec.decode(lie)).message).to.include(says);
      expect(thrown(() => foreign.decode(lie)).message).to.include(says);
    });
  }

  it('are told from JSON by the codec json', () => {
    expect(isOfTokens(bytes)).to.equal(true);
    expect(() => jsonCodec().decode(bytes)).to.throw(
      SyntaxError,
      / bytes that are no JSON, but of the codec tokens$/,
    );
    expect(() => jsonCodec().decode(Buffer.from('TOK'))).to.throw(SyntaxError, /^3 bytes that are no JSON$/);
  });
});
