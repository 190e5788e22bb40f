/** What a handler answers instead of one output: chunks, read one after the other, and given up when nobody wants them. */

/** Chunks of one request. */
export interface Chunks<Output, Final> {
  /** The next chunk, or the end: of a generator with what it returns. */
  next(): Promise<IteratorResult<Output, Final | undefined>>;
  /** Nobody wants the rest: a generator comes to its `finally`, a stream is cancelled. */
  end(): Promise<unknown>;
}

/** The part of a web ReadableStream that is used: any implementation has it. */
interface Reader<Output> {
  read(): Promise<{ done: boolean; value?: Output | undefined }>;
  cancel(): Promise<void>;
}

/** The answer as chunks; undefined: it is an output. A stream of bytes gives chunks of bytes. */
export function chunksOf<Output, Final>(answer: unknown): Chunks<Output, Final> | undefined {
  if (typeof answer !== 'object' || answer === null) return undefined;
  if ('getReader' in answer && typeof answer.getReader === 'function')
    return ofReader((answer as { getReader(): Reader<Output> }).getReader());
  if (!(Symbol.asyncIterator in answer) || typeof answer[Symbol.asyncIterator] !== 'function')
    return undefined;
  const iterator = (answer as AsyncIterable<Output, Final, undefined>)[Symbol.asyncIterator]();
  return {
    next: () => iterator.next(),
    end: async () => {
      // a stream of Node.js that waits for bytes ends so, and only so
      if ('destroy' in answer && typeof answer.destroy === 'function')
        (answer as { destroy(): void }).destroy();
      else await iterator.return?.();
    },
  };
}

function ofReader<Output>(reader: Reader<Output>): Chunks<Output, never> {
  return {
    next: async () => {
      const { done, value } = await reader.read();
      return done ? { done, value: undefined } : { done: false, value: value as Output };
    },
    end: () => reader.cancel(),
  };
}
