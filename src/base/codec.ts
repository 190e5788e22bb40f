/** The codecs that a scheduler knows by name: {@link jsonCodec}, and `tokensCodec` of tokens-codec.ts. */
export type CodecName = 'json' | 'tokens';

/**
 * Turns a request or an output into bytes and back. Redis never looks into the bytes. When `encode` throws, that one item
 * is refused. JSON cannot hold integers over 2^53; where they matter, give a codec of your own or `bytesCodec`.
 */
export interface Codec<T> {
  encode(value: T): string | Uint8Array;
  /**
   * The bytes of a request are the codec's to keep. Those of an output may be a part of a larger memory (see {@link isAlone}):
   * what keeps them, or is a view on them, keeps all of it.
   */
  decode(bytes: Buffer): T;
}

/** "TOK1", as a number: so payloads of the codec `tokens` begin that have token ids. No JSON does. */
export const TOKENS_MARK = 0x31_4b_4f_54;

export function isOfTokens(bytes: Buffer): boolean {
  return bytes.length >= 4 && bytes.readUInt32LE(0) === TOKENS_MARK;
}

/** JSON in UTF-8, the default. */
export function jsonCodec<T>(): Codec<T> {
  return {
    encode(value) {
      const text = JSON.stringify(value) as string | undefined;
      if (text === undefined) throw new TypeError('the value has no JSON form');
      return text;
    },
    decode(bytes) {
      try {
        return JSON.parse(bytes.toString()) as T;
      } catch {
        const other = isOfTokens(bytes) ? ', but of the codec tokens' : '';
        // what the parser says has a piece of the text in it, and comes into logs
        throw new SyntaxError(`${bytes.length} bytes that are no JSON${other}`);
      }
    },
  };
}

/** Bytes as they are. */
export const bytesCodec: Codec<Uint8Array> = {
  encode: (value) => value,
  decode: (bytes) => bytes,
};

/** An encoded payload. What the codec gave as text stays text, because ioredis writes text without a copy. */
export type Payload = string | Buffer;

/** @throws TypeError if a codec gave neither a string nor bytes */
export function toPayload(encoded: string | Uint8Array): Payload {
  if (typeof encoded === 'string' || Buffer.isBuffer(encoded)) return encoded;
  if (encoded instanceof Uint8Array)
    return Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  throw new TypeError('the codec gave neither a string nor bytes');
}

export function toBuffer(payload: Payload): Buffer {
  return typeof payload === 'string' ? Buffer.from(payload) : payload;
}

/** Below, bytes are cut from the memory that Node.js keeps for small ones, which is faster than one of their own. */
const LARGE = 4096;

/** Bytes to be written; many of them are {@link isAlone}, whatever `Buffer.poolSize` is. */
export function allocate(length: number): Buffer {
  return length < LARGE ? Buffer.allocUnsafe(length) : Buffer.allocUnsafeSlow(length);
}

/** The bytes, not shared with whoever has the payload. */
export function copyOf(payload: Payload): Buffer {
  const copy = allocate(Buffer.byteLength(payload));
  if (typeof payload === 'string') copy.write(payload);
  else payload.copy(copy);
  return copy;
}

/** Nothing else is in its memory: a view on it keeps nothing else, and may begin at any multiple of 4. */
export function isAlone(bytes: Buffer): boolean {
  return bytes.byteLength === bytes.buffer.byteLength;
}

/** Whether two payloads are the same bytes, be they text or not. */
export function samePayload(a: Payload, b: Payload): boolean {
  return toBuffer(a).equals(toBuffer(b));
}
