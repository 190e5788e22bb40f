/** What a client sends to Redis, command by command. Pure. */
import { suffixOf } from '../../src/base/suffixes.ts';

/** Bytes that follow a line or an argument. */
const END = Buffer.from('\r\n');
const ARRAY = '*'.charCodeAt(0);
const ANSWER = 'return redis.error_reply(ARGV[1])';

/** Says why the server refuses a command; undefined: it does not. */
export type Refuse = (args: readonly Buffer[]) => string | undefined;

/**
 * Passes on what a client sends. A command that is refused becomes one that the server answers with that error, so that
 * answers keep their order. What is no array of texts, as clients send it, passes unread.
 */
export class Commands {
  readonly #refuse: Refuse;
  #parts: Buffer[] = [];
  #length = 0;
  /** The command that has begun is at least so long. */
  #needed = 1;

  constructor(refuse: Refuse) {
    this.#refuse = refuse;
  }

  /** Takes what the client sent, and answers what goes to the server now. */
  push(bytes: Buffer): Buffer {
    this.#parts.push(bytes);
    this.#length += bytes.length;
    if (this.#length < this.#needed) return Buffer.alloc(0);
    const all = this.#parts.length === 1 ? bytes : Buffer.concat(this.#parts);
    const out: Buffer[] = [];
    let from = 0;
    this.#needed = 1;
    while (from < all.length) {
      const read = readCommand(all, from);
      if ('needed' in read) {
        this.#needed = read.needed - from;
        break;
      }
      const why = this.#refuse(read.args);
      out.push(why === undefined ? all.subarray(from, read.end) : encode(['EVAL', ANSWER, '0', why]));
      from = read.end;
    }
    const rest = all.subarray(from);
    this.#parts = rest.length > 0 ? [rest] : [];
    this.#length = rest.length;
    return out.length === 1 ? out[0]! : Buffer.concat(out);
  }
}

/** The command that begins at `from`, or how many bytes there must be to read on. */
function readCommand(bytes: Buffer, from: number): { args: Buffer[]; end: number } | { needed: number } {
  if (bytes[from] !== ARRAY) return { args: [], end: bytes.length };
  const head = readNumber(bytes, from);
  if (!head) return { needed: bytes.length + 1 };
  const args: Buffer[] = [];
  let at = head.end;
  while (args.length < head.value) {
    const size = readNumber(bytes, at);
    if (!size) return { needed: bytes.length + 1 };
    const end = size.end + size.value;
    if (end + END.length > bytes.length) return { needed: end + END.length };
    args.push(bytes.subarray(size.end, end));
    at = end + END.length;
  }
  return { args, end: at };
}

/** The number on the line that begins at `from` with a sign of its type. */
function readNumber(bytes: Buffer, from: number): { value: number; end: number } | undefined {
  const end = bytes.indexOf(END, from);
  if (end < 0) return undefined;
  return { value: Number(bytes.toString('latin1', from + 1, end)), end: end + END.length };
}

export function encode(args: readonly string[]): Buffer {
  const texts = args.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`);
  return Buffer.from(`*${args.length}\r\n${texts.join('')}`);
}

/** Whether it runs a script, which may write. */
export function isScript(args: readonly Buffer[]): boolean {
  const name = args[0]?.toString('latin1').toUpperCase() ?? '';
  return name === 'EVALSHA' || name === 'EVAL';
}

/** Whether all keys that it names are of the load shard. */
export function isOfShard(args: readonly Buffer[], shard: number): boolean {
  // all keys of a script are of one shard, and what follows them may be any text
  const keys = isScript(args) ? args.slice(3, 4) : args.slice(1);
  const tag = `.${suffixOf(shard)}}:`;
  return keys.length > 0 && keys.every((key) => key[0] === '{'.charCodeAt(0) && key.includes(tag));
}
