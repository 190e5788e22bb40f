/** Server-sent events in bytes: whole events, exactly as they came, however the bytes were cut. */

const LF = 0x0a;
const CR = 0x0d;
const NONE = Buffer.alloc(0);

/** Cuts a stream of bytes behind each blank line. Lines end with LF or CRLF. */
export class EventCutter {
  #held: Buffer = NONE;
  /** Of #held: where the line begins that is not complete. */
  #line = 0;

  /** Bytes that came after the last whole event. */
  get rest(): Buffer {
    return this.#held;
  }

  /** @returns the events that are whole now, each with its blank line */
  push(bytes: Buffer): Buffer[] {
    const all = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    const events: Buffer[] = [];
    let from = 0;
    let line = this.#line;
    for (;;) {
      const end = all.indexOf(LF, line);
      if (end < 0) break;
      const isBlank = end === line || (end === line + 1 && all[line] === CR);
      line = end + 1;
      if (!isBlank) continue;
      events.push(all.subarray(from, line));
      from = line;
    }
    this.#held = all.subarray(from);
    this.#line = line - from;
    return events;
  }
}

/** The `data` of an event, as its lines say it; undefined: it has none (a comment). */
export function dataOf(event: Buffer): string | undefined {
  const lines = event
    .toString()
    .split(/\r?\n/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice(line[5] === ' ' ? 6 : 5));
  return lines.length === 0 ? undefined : lines.join('\n');
}
