/**
 * What gateway and worker say to each other, as bytes. Numbers are u32, little-endian. JSON is UTF-8. The body of an HTTP
 * request and the bytes of its response are carried as they are: nothing here parses or writes them.
 *
 *     request     = u32 length of the head | head as JSON, see RequestHead | body of the HTTP request
 *     result      = kind, one byte | what the kind says
 *       "C"         Claimed as JSON: the first result of every attempt
 *       "H"         u32 length of the head | head as JSON, see ResponseHead | first bytes of the response's body, or none
 *       "B"         the next bytes of the response's body
 *       "I"         Interrupted as JSON: the response is cut off here
 *
 * The results of an attempt are C, then H, then any number of B. An attempt that ended well ends as `finished`, without
 * an output or with one H or B. One that was cut off ends as `finished` with an I, at any place after C. One that failed
 * before its H, and is not to be tried again, ends as `failed`. Slices of at most SLICE bytes keep results below the
 * largest that Redis carries.
 */
import type { Codec } from '../base/codec.ts';
import type { Route } from './routes.ts';

/** Bytes of a response's body in one result, at most. */
export const SLICE = 262_144;
/** Bytes of the JSON head of a request, at most: beside the body that is all a request has. */
export const MAX_HEAD = 4_194_304;

const LENGTH = 4;
const VERSION = 1;

/** Emitted text that a run of the same stream begins behind. */
export interface Resume {
  /** Content that the client has got. */
  text: string;
  /** Events with content that it came in: about its tokens, where no tokenizer can be asked. */
  chunks: number;
}

/** What a worker must know of a request beside its body. */
export interface RequestHead {
  /** The request's id in the scheduler, and the engine's `x-request-id`. Unique among all requests of a fleet. */
  id: string;
  route: Route;
  /** The name in the registry; the body's `model` is the same. */
  model: string;
  /** The client asked for a stream of events. */
  stream: boolean;
  /** Estimated, not counted. */
  promptTokens: number;
  /** The most tokens of output that the client allows, if it said so. */
  maxTokens?: number;
  /** The W3C header of the same name, as the client sent it. */
  traceparent?: string;
  /** Continue behind this text: `resumedBody` of resume.ts makes the body for the engine. */
  resume?: Resume;
}

export interface WireRequest {
  head: RequestHead;
  body: Buffer;
}

/** A worker took the request. */
export interface Claimed {
  /** The worker's node. */
  worker: string;
  /** Of the scheduler: more than 1 after a worker was lost. */
  attempt: number;
  /** ms from the put to the claim. */
  queuedMs: number;
}

/** What the engine said before its body. */
export interface ResponseHead {
  status: number;
  contentType?: string;
  /** This engine continues emitted text: a stream that it began may be resumed. */
  resumable?: boolean;
  /** Of a resumed run: the tokens of the emitted text, by which the engine's usage is moved back. */
  resumedTokens?: number;
}

/**
 * Why a response was cut off. `engine`: the engine broke off. `attempt`: an earlier attempt of this stream may have
 * emitted, so it was not run again. `drain`: the worker stops.
 */
export type InterruptReason = 'engine' | 'attempt' | 'drain';

export interface Interrupted {
  reason: InterruptReason;
  /** For logs. */
  message?: string;
}

export type WireResult =
  | { kind: 'claimed'; claimed: Claimed }
  | { kind: 'head'; head: ResponseHead; body: Buffer }
  | { kind: 'body'; body: Buffer }
  | { kind: 'interrupted'; interrupted: Interrupted };

const KINDS = { claimed: 0x43, head: 0x48, body: 0x42, interrupted: 0x49 } as const;
const EMPTY = Buffer.alloc(0);

/** Requests as bytes; the decoded body is a view on the bytes. */
export const requestCodec: Codec<WireRequest> = {
  encode: ({ head, body }) => withHead(undefined, { v: VERSION, ...head }, body),
  decode(bytes) {
    const { head, rest } = splitHead(bytes, 0);
    const { v, ...said } = head as { v?: unknown } & RequestHead;
    if (v !== VERSION)
      throw new SyntaxError(`a request of version ${String(v)}; this version reads ${VERSION}`);
    return { head: said, body: rest };
  },
};

/** Results as bytes; a decoded body is a view on the bytes. */
export const resultCodec: Codec<WireResult> = {
  encode(result) {
    switch (result.kind) {
      case 'claimed':
        return ofJson(KINDS.claimed, result.claimed);
      case 'interrupted':
        return ofJson(KINDS.interrupted, result.interrupted);
      case 'head':
        return withHead(KINDS.head, result.head, result.body);
      case 'body':
        return Buffer.concat([Buffer.of(KINDS.body), result.body]);
    }
  },
  decode(bytes) {
    switch (bytes[0]) {
      case KINDS.body:
        return { kind: 'body', body: bytes.subarray(1) };
      case KINDS.head: {
        const { head, rest } = splitHead(bytes, 1);
        return { kind: 'head', head: head as ResponseHead, body: rest };
      }
      case KINDS.claimed:
        return { kind: 'claimed', claimed: parsed(bytes.subarray(1)) as Claimed };
      case KINDS.interrupted:
        return { kind: 'interrupted', interrupted: parsed(bytes.subarray(1)) as Interrupted };
      default:
        throw new SyntaxError(`${bytes.length} bytes that are no result of a worker`);
    }
  },
};

/** The options of a scheduler that speaks this; gateway and worker give the same. */
export const WIRE_OPTIONS = {
  codec: requestCodec,
  outputCodec: resultCodec,
  idOf: ({ head }: WireRequest): string => head.id,
  promptTokensOf: ({ head }: WireRequest): number => head.promptTokens,
} as const;

/** A response's head, without bytes of its body. */
export function headResult(head: ResponseHead, body: Buffer = EMPTY): WireResult {
  return { kind: 'head', head, body };
}

function ofJson(kind: number, value: object): Buffer {
  return Buffer.concat([Buffer.of(kind), Buffer.from(JSON.stringify(value))]);
}

function withHead(kind: number | undefined, head: object, body: Buffer): Buffer {
  const json = Buffer.from(JSON.stringify(head));
  if (json.length > MAX_HEAD) throw new RangeError(`a head of ${json.length} bytes; allowed are ${MAX_HEAD}`);
  const length = Buffer.allocUnsafe(LENGTH);
  length.writeUInt32LE(json.length);
  return Buffer.concat([...(kind === undefined ? [] : [Buffer.of(kind)]), length, json, body]);
}

function splitHead(bytes: Buffer, from: number): { head: object; rest: Buffer } {
  const start = from + LENGTH;
  const length = bytes.length < start ? NaN : bytes.readUInt32LE(from);
  if (!(length <= MAX_HEAD && start + length <= bytes.length))
    throw new SyntaxError(`${bytes.length} bytes whose head is cut off`);
  const end = start + length;
  return { head: parsed(bytes.subarray(start, end)), rest: bytes.subarray(end) };
}

/** @throws SyntaxError that holds nothing of the text, as it comes into logs */
function parsed(json: Buffer): object {
  let value: unknown;
  try {
    value = JSON.parse(json.toString());
  } catch {
    value = undefined;
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new SyntaxError(`a head of ${json.length} bytes that is no JSON object`);
}
