/**
 * The codec `tokens`: typed arrays of token ids travel as they are, behind the JSON of the rest. Nothing looks at an id, neither
 * to encode nor to decode nor to count them. A value without such arrays is JSON alone, and what the codec `json` wrote is read.
 *
 *     "TOK1" | bytes of the JSON part, u32 | [value, [[kind, count, field], …]] as JSON | token ids of each, 32 bits an id
 *
 * All numbers are little-endian, on every machine. Spaces at the end of the JSON part make it a multiple of 4 bytes. The kind is
 * `u32` or `i32`. In the value a field of token ids is null; without a `field` the value itself is the one array.
 */
import { isUtf8 } from 'node:buffer';
import { endianness } from 'node:os';
import { types } from 'node:util';
import { checkNames, namesOf } from './call-options.ts';
import { TOKENS_MARK, allocate, isAlone, isOfTokens, jsonCodec, type Codec } from './codec.ts';
import { ConfigError, show } from './errors.ts';

type TokenIds = Uint32Array | Int32Array;
/** What the JSON part says of one array. */
type Row = readonly [kind: 'u32' | 'i32', count: number, field?: string];

/** The fields of a request, or of an output, that may be a `Uint32Array`. */
export type TokenFields<Value> = unknown extends Value
  ? string
  : { [Name in keyof Value]-?: Uint32Array extends Value[Name] ? Name : never }[keyof Value] & string;

export interface TokensCodecOptions<Value = unknown> {
  /**
   * Fields whose plain arrays of integers from 0 to 2^32 - 1 are token ids, too: each is looked at, and they arrive as a
   * `Uint32Array`. Default: none; plain arrays are JSON, and arrive as they were.
   */
  fields?: readonly TokenFields<Value>[];
}

const OPTIONS = namesOf<TokensCodecOptions>({ fields: true });
/** Mark and length. */
const PREFIX = 8;
const SPACE = 0x20;
const NATIVE = endianness() === 'LE';
const JSON_ALONE = jsonCodec<unknown>();

/**
 * The codec `tokens`: `Uint32Array` and `Int32Array`, as a field of the value or as the value itself, travel as they are. The
 * rest is JSON. `encode` throws for any other typed array, and for one deeper inside the value, of which JSON would make
 * something else. `decode` gives arrays of the same kinds: views on the payload if they are large (`slice()` gives a copy).
 *
 * @throws ConfigError for bad options
 */
export function tokensCodec<Value = unknown>(options: TokensCodecOptions<Value> = {}): Codec<Value> {
  checkNames('tokensCodec', options, OPTIONS);
  const fields: unknown = options.fields ?? [];
  if (!isNames(fields)) throw new ConfigError('fields', fields, 'an array of names of fields');
  return tokensCodecOf(new Set(fields), NATIVE) as Codec<Value>;
}

function isNames(fields: unknown): fields is string[] {
  return Array.isArray(fields) && fields.every((field) => typeof field === 'string');
}

/** @param native the numbers of this machine are little-endian, so that memory is copied as it is */
export function tokensCodecOf(fields: ReadonlySet<string>, native: boolean): Codec<unknown> {
  return {
    encode(given) {
      const { rest, rows, arrays } = split(jsonForm(given), fields);
      const json = JSON_ALONE.encode(arrays.length === 0 ? given : [rest, rows]) as string;
      // afterwards: a value that holds itself has no JSON, and was refused
      refuseInside(rest);
      return arrays.length === 0 ? json : joined(json, arrays, native);
    },
    decode: (bytes) => (isOfTokens(bytes) ? decoded(bytes, native) : JSON_ALONE.decode(bytes)),
  };
}

/** What JSON takes for the value. */
function jsonForm(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  const { toJSON } = value as { toJSON?: unknown };
  return typeof toJSON === 'function' ? (toJSON.call(value, '') as unknown) : value;
}

interface Parts {
  /** With null where an array of token ids was. */
  rest: unknown;
  rows: Row[];
  arrays: TokenIds[];
}

function split(value: unknown, fields: ReadonlySet<string>): Parts {
  const parts: Parts = { rest: value, rows: [], arrays: [] };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return parts;
  if (ArrayBuffer.isView(value)) {
    add(parts, tokenIds(value));
    return { ...parts, rest: null };
  }
  const rest: Record<string, unknown> = { ...value };
  for (const name of Object.keys(rest)) {
    const field = rest[name];
    if (typeof field !== 'object' || field === null) continue;
    if (ArrayBuffer.isView(field)) add(parts, tokenIds(field, name), name);
    else if (fields.has(name) && Array.isArray(field)) add(parts, packed(field, name), name);
    else continue;
    rest[name] = null;
  }
  return { ...parts, rest };
}

function add({ rows, arrays }: Parts, ids: TokenIds, field?: string): void {
  const kind = types.isUint32Array(ids) ? 'u32' : 'i32';
  rows.push(field === undefined ? [kind, ids.length] : [kind, ids.length, field]);
  arrays.push(ids);
}

/** @throws TypeError if it is no array of token ids */
function tokenIds(view: ArrayBufferView, name?: string): TokenIds {
  // not by instanceof: it may come from another realm
  if (types.isUint32Array(view) || types.isInt32Array(view)) return view;
  const what = name === undefined ? 'the value' : show(name);
  throw new TypeError(`${what} is a ${kindOf(view)}; token ids are a Uint32Array or an Int32Array`);
}

/** @throws RangeError naming the first that is no token id, by its place only */
function packed(list: readonly unknown[], name: string): Uint32Array {
  const ids = new Uint32Array(list.length);
  for (let i = 0; i < list.length; i += 1) {
    const id = list[i];
    if (typeof id !== 'number' || id >>> 0 !== id)
      throw new RangeError(`${show(name)}[${i}] is no integer from 0 to 4294967295`);
    ids[i] = id;
  }
  return ids;
}

/**
 * JSON would make an object of it, with a field for each of its numbers.
 * @throws TypeError if there is a typed array inside
 */
function refuseInside(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  for (const part of Array.isArray(value) ? (value as unknown[]) : Object.values(value)) {
    if (typeof part !== 'object') continue;
    const form = jsonForm(part);
    if (ArrayBuffer.isView(form))
      throw new TypeError(`a ${kindOf(form)} stands inside a field; only a field itself may be token ids`);
    refuseInside(form);
  }
}

function kindOf(view: ArrayBufferView): string {
  return Object.prototype.toString.call(view).slice(8, -1);
}

/** In one memory of exactly its size: it is kept as long as the request is pending. */
function joined(json: string, arrays: readonly TokenIds[], native: boolean): Buffer {
  const length = Buffer.byteLength(json);
  const start = PREFIX + length + (-length & 3);
  const bytes = allocate(arrays.reduce((end, { byteLength }) => end + byteLength, start));
  bytes.writeUInt32LE(TOKENS_MARK, 0);
  bytes.writeUInt32LE(start - PREFIX, 4);
  bytes.write(json, PREFIX);
  bytes.fill(SPACE, PREFIX + length, start);
  let at = start;
  for (const ids of arrays) {
    // throws if its memory was transferred to another thread
    const raw = new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength);
    if (native) bytes.set(raw, at);
    else for (let i = 0; i < ids.length; i += 1) bytes.writeUInt32LE(ids[i]! >>> 0, at + 4 * i);
    at += raw.length;
  }
  return bytes;
}

function decoded(bytes: Buffer, native: boolean): unknown {
  const start = bytes.length < PREFIX ? NaN : PREFIX + bytes.readUInt32LE(4);
  if (!(start <= bytes.length && start % 4 === 0)) throw damaged(bytes, 'the JSON part is cut off');
  const part = parsed(bytes.subarray(PREFIX, start));
  if (!isPart(part)) throw damaged(bytes, 'the JSON part does not say which token ids follow');
  const [value, rows] = part;
  const said = rows.reduce((sum, [, count]) => sum + count, 0);
  if (4 * said !== bytes.length - start)
    throw damaged(bytes, `${said} token ids are to follow, and ${bytes.length - start} bytes do`);
  let at = start;
  for (const [kind, count, field] of rows) {
    const ids = read(bytes, at, kind, count, native);
    at += 4 * count;
    if (field === undefined) {
      if (rows.length === 1 && value === null) return ids;
    } else if (isObject(value) && Object.hasOwn(value, field) && value[field] === null) {
      value[field] = ids;
      continue;
    }
    throw damaged(bytes, 'token ids have no place in the JSON part');
  }
  return value;
}

/** Undefined: it is no JSON. */
function parsed(json: Buffer): unknown {
  try {
    return isUtf8(json) ? JSON.parse(json.toString()) : undefined;
  } catch {
    return undefined;
  }
}

function isPart(part: unknown): part is [value: unknown, rows: Row[]] {
  return Array.isArray(part) && part.length === 2 && Array.isArray(part[1]) && part[1].every(isRow);
}

function isRow(row: unknown): row is Row {
  if (!Array.isArray(row) || row.length < 2 || row.length > 3) return false;
  const [kind, count, field = ''] = row as unknown[];
  const isKind = kind === 'u32' || kind === 'i32';
  return isKind && Number.isSafeInteger(count) && (count as number) >= 0 && typeof field === 'string';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A view where it keeps nothing else in memory, and begins where one may; else a copy. */
function read(bytes: Buffer, at: number, kind: Row[0], count: number, native: boolean): TokenIds {
  if (native && isAlone(bytes)) return idsIn(bytes, at, kind, count);
  if (native) {
    const copy = Buffer.allocUnsafeSlow(4 * count);
    bytes.copy(copy, 0, at);
    return idsIn(copy, 0, kind, count);
  }
  const ids = kind === 'u32' ? new Uint32Array(count) : new Int32Array(count);
  for (let i = 0; i < count; i += 1) ids[i] = bytes.readInt32LE(at + 4 * i);
  return ids;
}

function idsIn({ buffer, byteOffset }: Buffer, at: number, kind: Row[0], count: number): TokenIds {
  const from = byteOffset + at;
  return kind === 'u32' ? new Uint32Array(buffer, from, count) : new Int32Array(buffer, from, count);
}

/** Says nothing of what is in them: it comes into logs. */
function damaged(bytes: Buffer, what: string): SyntaxError {
  return new SyntaxError(`${bytes.length} bytes of the codec tokens are damaged: ${what}`);
}
