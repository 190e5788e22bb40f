/**
 * The members of a JSON object, with the places of their values in its bytes, so that one value can be replaced and every
 * other byte stays as the client sent it: 64-bit seeds, the order of keys, escapes, white space.
 */
import { isUtf8 } from 'node:buffer';

/** Why bytes are no body that the gateway can read; `code` is that of the answer. */
export class BadJson extends Error {
  readonly code: 'bad_json' | 'duplicate_key';
  /** The key that is there twice. */
  readonly param: string | undefined;

  constructor(code: BadJson['code'], message: string, param?: string) {
    super(message);
    this.code = code;
    this.param = param;
  }
}

/** Where a value is: bytes `from` to `to`, the latter excluded, without white space around it. */
export interface Place {
  from: number;
  to: number;
}

export interface JsonObject {
  bytes: Buffer;
  /** Parsed; numbers over 2^53 are not exact here, only in the bytes. */
  values: Readonly<Record<string, unknown>>;
  /** Of each member of the object itself, by its name without escapes. */
  places: ReadonlyMap<string, Place>;
}

/** What is written in the place of bytes `from` to `to`. */
export interface Edit extends Place {
  text: string;
}

/** A name is shown in an answer up to this. */
const SHOWN = 64;

/**
 * @throws BadJson unless it is one JSON object in UTF-8 whose own names are all different. Objects inside may repeat
 * names.
 */
export function readObject(bytes: Buffer): JsonObject {
  const values = parse(bytes);
  return { bytes, values, places: placesOf(bytes) };
}

function parse(bytes: Buffer): Record<string, unknown> {
  if (!isUtf8(bytes)) throw new BadJson('bad_json', 'the body is not UTF-8');
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString());
  } catch {
    throw new BadJson('bad_json', 'the body is not JSON');
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new BadJson('bad_json', 'the body is not a JSON object');
}

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [OPEN, CLOSE, OPEN_LIST, CLOSE_LIST] = [0x7b, 0x7d, 0x5b, 0x5d];

/** @param bytes JSON of an object, which was checked */
function placesOf(bytes: Buffer): Map<string, Place> {
  const places = new Map<string, Place>();
  let at = skipSpace(bytes, 0) + 1;
  for (;;) {
    at = skipSpace(bytes, at);
    if (bytes[at] === CLOSE) return places;
    if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1);
    const end = endOfString(bytes, at);
    const name = JSON.parse(bytes.toString('utf8', at, end)) as string;
    // behind the colon
    const from = skipSpace(bytes, skipSpace(bytes, end) + 1);
    const to = endOfValue(bytes, from);
    if (places.has(name)) {
      const shown = JSON.stringify(name.slice(0, SHOWN));
      throw new BadJson('duplicate_key', `the body has the key ${shown} twice`, name.slice(0, SHOWN));
    }
    places.set(name, { from, to });
    at = to;
  }
}

function skipSpace(bytes: Buffer, at: number): number {
  while (bytes[at] === 0x20 || bytes[at] === 0x0a || bytes[at] === 0x0d || bytes[at] === 0x09) at += 1;
  return at;
}

/** Behind the string whose quote is at `at`. */
function endOfString(bytes: Buffer, at: number): number {
  for (;;) {
    at = bytes.indexOf(QUOTE, at + 1);
    let before = at - 1;
    while (bytes[before] === BACKSLASH) before -= 1;
    // an even number of backslashes: they escape each other
    if ((at - before) % 2 === 1) return at + 1;
  }
}

function endOfValue(bytes: Buffer, at: number): number {
  const first = bytes[at];
  if (first === QUOTE) return endOfString(bytes, at);
  if (first !== OPEN && first !== OPEN_LIST) return endOfScalar(bytes, at);
  let depth = 0;
  for (;;) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      at = endOfString(bytes, at);
      continue;
    }
    at += 1;
    if (byte === OPEN || byte === OPEN_LIST) depth += 1;
    if ((byte === CLOSE || byte === CLOSE_LIST) && (depth -= 1) === 0) return at;
  }
}

/** A number, true, false or null ends at white space or at what belongs to the object. */
function endOfScalar(bytes: Buffer, at: number): number {
  for (;;) {
    const byte = bytes[at]!;
    if (byte <= 0x20 || byte === COMMA || byte === CLOSE || byte === COLON) return at;
    at += 1;
  }
}

/** The bytes with the edits made, which may come in any order and do not overlap. All other bytes are as they were. */
export function splice(bytes: Buffer, edits: readonly Edit[]): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  for (const { from, to, text } of [...edits].sort((a, b) => a.from - b.from)) {
    parts.push(bytes.subarray(at, from), Buffer.from(text));
    at = to;
  }
  return Buffer.concat([...parts, bytes.subarray(at)]);
}

/** The edits that give members of the object these values, as JSON; a member that is not there is added at the end. */
export function setMembers({ bytes, places }: JsonObject, values: Readonly<Record<string, string>>): Edit[] {
  const edits: Edit[] = [];
  const added: string[] = [];
  for (const [name, text] of Object.entries(values)) {
    const place = places.get(name);
    if (place) edits.push({ ...place, text });
    else added.push(`${JSON.stringify(name)}:${text}`);
  }
  if (added.length === 0) return edits;
  const end = bytes.lastIndexOf(CLOSE);
  const text = (places.size > 0 ? ',' : '') + added.join(',');
  return [...edits, { from: end, to: end, text }];
}
