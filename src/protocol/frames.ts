/**
 * Frames: many chunks of one runner to one owner as one entry of the mailbox, which no script looks into (lua/lib/cut.lua cuts
 * what was taken away). For each chunk a head of 16 bytes: token (the claim's fence) 7, number 4, flags 1, length of its body 4.
 * Then the bodies. Flag 1: the ticket comes first in the body, behind its length in 4 hex digits. Pure.
 */
import type { Payload } from '../base/codec.ts';
import { hex, type Tick, type Ticket } from '../base/ticket.ts';

const HEAD = 16;
const INTRODUCES = 1;

/** A chunk as a frame has it. */
export interface FrameChunk<P extends Payload = Payload> {
  fence: Tick;
  number: number;
  payload: P;
  /** It introduces its claim: from then on the owner knows which request the fence is of. */
  ticket?: Ticket | undefined;
}

/** The heads and bodies of these chunks; how many they are is told beside it. */
export function encodeFrame(chunks: readonly FrameChunk[]): Buffer {
  let size = HEAD * chunks.length;
  for (const { payload, ticket } of chunks) {
    size += Buffer.byteLength(payload);
    if (ticket !== undefined) size += 4 + Buffer.byteLength(ticket);
  }
  const frame = Buffer.allocUnsafe(size);
  let head = 0;
  let at = HEAD * chunks.length;
  for (const { fence, number, payload, ticket } of chunks) {
    const from = at;
    if (ticket !== undefined) {
      at += frame.write(hex(Buffer.byteLength(ticket), 4), at, 'latin1');
      at += frame.write(ticket, at);
    }
    if (typeof payload === 'string') {
      at += frame.write(payload, at);
    } else {
      frame.set(payload, at);
      at += payload.byteLength;
    }
    frame.write(fence, head, 'hex');
    frame.writeUInt32BE(number, head + 7);
    frame[head + 11] = ticket === undefined ? 0 : INTRODUCES;
    frame.writeUInt32BE(at - from, head + 12);
    head += HEAD;
  }
  return frame;
}

/** The chunks of a frame that begins there; payloads are views of the buffer. */
export function readFrame(buffer: Buffer, begin: number, count: number): FrameChunk<Buffer>[] {
  const chunks: FrameChunk<Buffer>[] = [];
  let at = begin + HEAD * count;
  for (let head = begin; head < begin + HEAD * count; head += HEAD) {
    const end = at + buffer.readUInt32BE(head + 12);
    let ticket: Ticket | undefined;
    if (buffer[head + 11] === INTRODUCES) {
      const ticketEnd = at + 4 + parseInt(buffer.toString('latin1', at, at + 4), 16);
      ticket = buffer.toString('utf8', at + 4, ticketEnd);
      at = ticketEnd;
    }
    chunks.push({
      fence: buffer.toString('hex', head, head + 7),
      number: buffer.readUInt32BE(head + 7),
      payload: buffer.subarray(at, end),
      ticket,
    });
    at = end;
  }
  return chunks;
}
