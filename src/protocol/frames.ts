/**
 * Frames: chunks of several claims for one owner as one entry of its mailbox, which Redis never looks into. Heads of 16 bytes, then the
 * bodies in the same order. A head: fence (7 bytes), number (4), flags (1), length of its body (4). Flag 1: the body begins with
 * the ticket, behind its length in 4 hex digits. Pure.
 */
import type { Payload } from '../base/codec.ts';
import { hex, type Tick, type Ticket } from '../base/ticket.ts';

const HEAD = 16;
const TITLED = 1;
/** A fence is 32 bits and these. */
const LOW = 2 ** 24;

/** What is written of a chunk. */
export interface FramedChunk {
  readonly claim: { readonly fenceNumber: number };
  readonly number: number;
  readonly payload: Payload;
  /** Of its payload. */
  readonly bytes: number;
}

/** @param titles by chunk: the ticket that goes with it */
export function writeFrame(chunks: readonly FramedChunk[], titles: readonly (Ticket | undefined)[]): Buffer {
  const count = chunks.length;
  const lengths: number[] = [];
  let size = HEAD * count;
  for (let i = 0; i < count; i += 1) {
    const title = titles[i];
    const length = chunks[i]!.bytes + (title === undefined ? 0 : 4 + Buffer.byteLength(title));
    lengths.push(length);
    size += length;
  }
  const frame = Buffer.allocUnsafe(size);
  // what is text is written at once
  let text = '';
  let written = HEAD * count;
  for (let i = 0, at = 0; i < count; i += 1, at += HEAD) {
    const { claim, number, payload } = chunks[i]!;
    const title = titles[i];
    const low = claim.fenceNumber % LOW;
    frame.writeUInt32BE((claim.fenceNumber - low) / LOW, at);
    frame.writeUInt32BE(((low << 8) | (number >>> 24)) >>> 0, at + 4);
    frame.writeUInt32BE(((number << 8) | (title === undefined ? 0 : TITLED)) >>> 0, at + 8);
    frame.writeUInt32BE(lengths[i]!, at + 12);
    if (title !== undefined) text += `${hex(Buffer.byteLength(title), 4)}${title}`;
    const isText = typeof payload === 'string';
    if (isText) text += payload;
    // half of a character, which must not meet its other half
    const isCut = isText && (payload.charCodeAt(payload.length - 1) & 0xfc00) === 0xd800;
    if (isText && !isCut) continue;
    written += frame.write(text, written);
    text = '';
    if (!isText) written += payload.copy(frame, written);
  }
  frame.write(text, written);
  return frame;
}

/** Told each chunk of a frame, in order; `payload` is a part of the frame. */
export type ReadChunk = (fence: number, number: number, payload: Buffer, ticket: Ticket | undefined) => void;

/** @param entry in which the frame begins `from` bytes from the start, and has so many chunks */
export function readFrame(entry: Buffer, from: number, count: number, tell: ReadChunk): void {
  for (let i = 0, at = from, body = from + HEAD * count; i < count; i += 1, at += HEAD) {
    const middle = entry.readUInt32BE(at + 4);
    const last = entry.readUInt32BE(at + 8);
    const end = body + entry.readUInt32BE(at + 12);
    const fence = entry.readUInt32BE(at) * LOW + (middle >>> 8);
    const number = (((middle & 0xff) << 24) | (last >>> 8)) >>> 0;
    let ticket: Ticket | undefined;
    if ((last & TITLED) !== 0) {
      const titleEnd = body + 4 + parseInt(entry.toString('latin1', body, body + 4), 16);
      ticket = entry.toString('utf8', body + 4, titleEnd);
      body = titleEnd;
    }
    tell(fence, number, entry.subarray(body, end), ticket);
    body = end;
  }
}

/** Whether it is the frame that it seems to be: anybody who may publish can send any bytes. */
export function isWhole(entry: Buffer, from: number, count: number): boolean {
  let end = from + HEAD * count;
  if (!(count > 0) || end > entry.length) return false;
  for (let at = from; at < from + HEAD * count; at += HEAD) end += entry.readUInt32BE(at + 12);
  return end === entry.length;
}

/** The fence of a frame as it stands everywhere else. */
export function fenceOf(number: number): Tick {
  return hex(number, 14);
}
